"""The SQL of authors, publishers and categories."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import UniqueConstraint, delete, exists, inspect, literal, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from bookstore_api.db.errors import violates
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.kit.cursors import Place
from bookstore_api.shop.catalog.models import (
    BOOK_CATEGORIES,
    Author,
    Book,
    BookAuthor,
    BookDetails,
    Category,
    Named,
    Publisher,
)

T = TypeVar("T", bound=Named)
FRESH = {"populate_existing": True}


class DuplicateNameError(Exception):
    """Another one has this name."""


async def find(session: ReadSession, kind: type[T], id_: UUID) -> T | None:
    """Find one, or None."""
    return await session.get(kind, id_)


async def find_locked(session: WriteSession, kind: type[T], id_: UUID) -> T | None:
    """Find one and keep others from changing it until this transaction ends, or None.

    Of categories, all are locked: a move depends on where the others are.
    """
    if kind is Category:
        await session.execute(select(Category.id).order_by(Category.id).with_for_update())
    return await session.get(kind, id_, with_for_update=True, populate_existing=True)


async def page(  # noqa: PLR0913 - a filter each
    session: ReadSession,
    kind: type[T],
    *,
    after: Place | None,
    limit: int,
    name: str | None,
    parent: UUID | None = None,
) -> Sequence[T]:
    """At most `limit` of them by name, after a place in that order; authors that have a book."""
    rows = select(kind).order_by(kind.sort_name, kind.id).limit(limit)
    if name is not None:
        rows = rows.where(kind.name == name)
    if parent is not None:
        rows = rows.where(Category.parent_id == parent)
    if kind is Author:
        books = select(BookAuthor.author_id).join(Book, Book.id == BookAuthor.book_id)
        has_book = books.where(BookAuthor.author_id == kind.id, Book.deleted_at.is_(None))
        rows = rows.where(exists(has_book))
    if after is not None:
        place = (literal(after.key, kind.sort_name.type), literal(after.id, kind.id.type))
        rows = rows.where(tuple_(kind.sort_name, kind.id) > tuple_(*place))
    return (await session.scalars(rows)).all()


async def save(session: WriteSession, row: Named) -> None:
    """Send a new or changed one to the database; raises DuplicateNameError."""
    session.add(row)
    table = inspect(type(row)).local_table
    name = UniqueConstraint(table.c.name, name=f"uq_{type(row).__tablename__}_name")
    try:
        await session.flush()
    except IntegrityError as error:
        if violates(error, name):
            raise DuplicateNameError from error
        raise


async def is_used(session: WriteSession, row: Named) -> bool:
    """Whether a book that is not deleted, or a category below it, refers to it."""
    live = Book.deleted_at.is_(None)
    of_books: dict[type[Named], Any] = {
        Author: select(BookAuthor.book_id).join(Book).where(BookAuthor.author_id == row.id, live),
        Publisher: select(BookDetails.id)
        .join(Book)
        .where(BookDetails.publisher_id == row.id, live),
        Category: select(Book.id)
        .join(BOOK_CATEGORIES)
        .where(BOOK_CATEGORIES.c.category_id == row.id, live),
    }
    below = select(Category.id).where(Category.parent_id == row.id)
    queries = [of_books[type(row)], *([below] if isinstance(row, Category) else [])]
    return any([await session.scalar(query.limit(1)) is not None for query in queries])


async def ancestors(session: WriteSession, category: UUID) -> set[UUID]:
    """Return a category and all that it is below."""
    up = select(Category.id, Category.parent_id).where(Category.id == category)
    tree = up.cte("tree", recursive=True)
    above = select(Category.id, Category.parent_id).where(Category.id == tree.c.parent_id)
    return set((await session.scalars(select(tree.union(above).c.id))).all())


async def remove(session: WriteSession, row: Named) -> None:
    """Delete one, and what deleted books have of it."""
    if isinstance(row, Publisher):
        of_deleted = update(BookDetails).where(BookDetails.publisher_id == row.id)
        await session.execute(of_deleted.values(publisher_id=None))
    elif isinstance(row, Category):
        links = delete(BOOK_CATEGORIES).where(BOOK_CATEGORIES.c.category_id == row.id)
        await session.execute(links)
    else:
        await session.execute(delete(BookAuthor).where(BookAuthor.author_id == row.id))
    await session.delete(row)
    await session.flush()


async def books_of(session: WriteSession, author: UUID, limit: int) -> Sequence[Book]:
    """At most `limit` books of an author, deleted ones included, locked in one order."""
    ids = select(BookAuthor.book_id).where(BookAuthor.author_id == author)
    books = select(Book).where(Book.id.in_(ids)).order_by(Book.id).limit(limit)
    return (await session.scalars(books.with_for_update(), execution_options=FRESH)).all()


async def ids_of_publishers(session: WriteSession, names: Iterable[str]) -> dict[str, UUID]:
    """Return the ids of publishers by name, kept from being deleted meanwhile."""
    found = select(Publisher).where(Publisher.name.in_(list(names))).order_by(Publisher.id)
    locked = found.with_for_update(read=True, key_share=True)
    return {row.name: row.id for row in await session.scalars(locked)}


async def names_of_publishers(session: ReadSession, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names of publishers by id."""
    found = select(Publisher).where(Publisher.id.in_(list(ids)))
    return {row.id: row.name for row in await session.scalars(found)}
