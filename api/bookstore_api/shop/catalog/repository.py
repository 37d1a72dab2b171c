"""The SQL of books; search.py has that of their lists."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload, selectinload

from bookstore_api.db.errors import violates
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.db.sort_text import to_sort_text
from bookstore_api.db.upsert import insert_if_absent
from bookstore_api.kit.cursors import Place
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.catalog.models import (
    ISBN_OF_OLDER_CODE,
    UNIQUE_ISBN,
    Author,
    Book,
    BookAuthor,
    BookDetails,
    Category,
    Publisher,
)
from bookstore_api.shop.catalog.query import BookQuery
from bookstore_api.shop.catalog.search import page_of_books

WHOLE = (joinedload(Book.details), selectinload(Book.categories).load_only(Category.id))
_OLDER_CODE_MAY_RUN = {
    "postgresql": "SELECT true FROM pg_constraint "
    "WHERE conrelid = to_regclass('books') AND conname = :name",
    "sqlite": "SELECT true FROM sqlite_master "
    "WHERE type = 'table' AND name = 'books' AND instr(sql, :name) > 0",
}


class DuplicateIsbnError(Exception):
    """Another book has this ISBN."""


def dialect_of(session: ReadSession) -> str:
    """`postgresql` or `sqlite`."""
    return session.get_bind().dialect.name


def _whole(id_: UUID) -> Select[Book]:
    return select(Book).where(Book.id == id_, Book.deleted_at.is_(None)).options(*WHOLE)


async def find(session: ReadSession, id_: UUID) -> Book | None:
    """Find a book, or None."""
    return (await session.scalars(_whole(id_))).one_or_none()


async def keep(session: WriteSession, id_: UUID) -> bool:
    """Whether there is a book, which is kept from being deleted for good meanwhile."""
    found = select(Book.id).where(Book.id == id_, Book.deleted_at.is_(None))
    return await session.scalar(found.with_for_update(read=True, key_share=True)) is not None


async def find_locked(session: WriteSession, id_: UUID) -> Book | None:
    """Find a book and keep others from changing it until this transaction ends, or None."""
    await _lock(session, Book.id == id_)
    return await find(session, id_)


async def find_by_isbns(session: WriteSession, isbns: Iterable[str]) -> dict[str, Book]:
    """Find the books with these ISBNs, by ISBN, and keep others from changing them."""
    wanted = Book.isbn.in_(list(isbns))
    await _lock(session, wanted)
    books = select(Book).where(wanted, Book.deleted_at.is_(None)).options(*WHOLE)
    return {book.isbn: book for book in await session.scalars(books)}


async def find_deleted(session: WriteSession, id_: UUID) -> Book | None:
    """Find a book that is deleted, and keep others from changing it, or None."""
    await _lock(session, Book.id == id_)
    deleted = select(Book).where(Book.id == id_, Book.deleted_at.is_not(None)).options(*WHOLE)
    return (await session.scalars(deleted)).one_or_none()


async def details_of(session: WriteSession, ids: Iterable[UUID]) -> dict[UUID, BookDetails]:
    """Return the details of books, by the book's id."""
    details = select(BookDetails).where(BookDetails.book_id.in_(list(ids)))
    return {row.book_id: row for row in await session.scalars(details)}


async def _lock(session: WriteSession, which: ColumnElement[bool]) -> None:
    """Wait for the locks of some books, in one order so that nobody waits in a circle.

    Books are read after it: a statement that waited sees the book as it is now, and the rows joined
    with it as they were.
    """
    await session.execute(select(Book.id).where(which).order_by(Book.id).with_for_update())


async def page(
    session: ReadSession, query: BookQuery, *, after: Place | None, limit: int
) -> Sequence[tuple[Book, Any]]:
    """At most `limit` books after a place in their order, and what each is sorted by."""
    books = page_of_books(query, after, limit, dialect=dialect_of(session)).options(*WHOLE)
    return [(book, key) for book, key in await session.execute(books)]


async def save(session: WriteSession, *books: Book) -> None:
    """Send new or changed books to the database; raises DuplicateIsbnError."""
    session.add_all(books)
    try:
        await session.flush()
    except IntegrityError as error:
        if violates(error, UNIQUE_ISBN, ISBN_OF_OLDER_CODE):
            raise DuplicateIsbnError from error
        raise


async def remove(session: WriteSession, book: Book, now: datetime) -> None:
    """Delete a book: it stays, out of the catalog, for what refers to it.

    Before the contract revision that ends the older code, which would go on showing it, and for
    which its ISBN would stay taken, it is deleted for good.
    """
    statement = text(_OLDER_CODE_MAY_RUN[dialect_of(session)])
    if await session.scalar(statement, {"name": ISBN_OF_OLDER_CODE}):
        await remove_for_good(session, book.id)
        return
    book.deleted_at = book.updated_at = now
    await session.flush()


async def remove_for_good(session: WriteSession, id_: UUID) -> bool:
    """Delete a book, also one that is deleted already; whether there was one."""
    removed = await session.execute(delete(Book).where(Book.id == id_).returning(Book.id))
    return removed.first() is not None


async def link_authors(session: WriteSession, authors: Mapping[UUID, Sequence[str]]) -> None:
    """Say by which authors books are found; those that are new are added."""
    ids = await _ids_of_authors(session, {name for names in authors.values() for name in names})
    await session.execute(delete(BookAuthor).where(BookAuthor.book_id.in_(list(authors))))
    links = [
        {"book_id": book, "position": position, "author_id": ids[name]}
        for book, names in authors.items()
        for position, name in enumerate(names)
    ]
    if links:
        await session.execute(insert(BookAuthor), links)


async def _ids_of_authors(session: WriteSession, names: set[str]) -> dict[str, UUID]:
    """Return the id of each author; two that add the same at once meet in one order."""
    known = select(Author.name, Author.id).where(Author.name.in_(names))
    ids = dict(await _pairs(session, known))
    if missing := sorted(names - ids.keys()):
        now = datetime.now(UTC)
        rows = [
            {
                "id": new_id(),
                "name": name,
                "sort_name": to_sort_text(name),
                "version": 1,
                "created_at": now,
                "updated_at": now,
            }
            for name in missing
        ]
        await insert_if_absent(session, Author, rows)
        ids |= dict(await _pairs(session, known))
    return ids


async def _pairs(session: ReadSession, query: Select[str, UUID]) -> Sequence[tuple[str, UUID]]:
    return [(name, id_) for name, id_ in await session.execute(query)]


async def existing_categories(session: WriteSession, ids: Iterable[UUID]) -> Sequence[Category]:
    """Return those of the categories that exist, kept from being deleted meanwhile."""
    found = select(Category).where(Category.id.in_(list(ids))).order_by(Category.id)
    return (await session.scalars(found.with_for_update(read=True, key_share=True))).all()


async def publisher_exists(session: WriteSession, id_: UUID) -> bool:
    """Whether there is such a publisher, which is kept from being deleted meanwhile."""
    found = select(Publisher.id).where(Publisher.id == id_)
    return await session.scalar(found.with_for_update(read=True, key_share=True)) is not None
