"""The catalog's SQL; all of it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import literal, select, tuple_
from sqlalchemy.exc import IntegrityError

from bookstore_api.db.errors import violates
from bookstore_api.db.orm import is_uuid
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.kit.pagination import SortKey
from bookstore_api.shop.catalog.models import UNIQUE_ISBN, Book


class DuplicateIsbnError(Exception):
    """Another book has this ISBN."""


async def find(session: ReadSession, id_: UUID) -> Book | None:
    """Find a book, or None."""
    return await session.get(Book, id_)


async def find_locked(session: WriteSession, id_: UUID) -> Book | None:
    """Find a book and keep others from changing it until this transaction ends, or None."""
    return await session.get(Book, id_, with_for_update=True)


async def page(
    session: ReadSession, *, after: SortKey | None, limit: int, isbn: str | None = None
) -> Sequence[Book]:
    """At most `limit` books by sort title and id, after a place in that order."""
    query = select(Book).where(is_uuid(Book.id)).order_by(Book.sort_title, Book.id).limit(limit)
    if isbn is not None:
        query = query.where(Book.isbn == isbn)
    if after is not None:
        place = tuple_(literal(after.text, Book.sort_title.type), literal(after.id, Book.id.type))
        query = query.where(tuple_(Book.sort_title, Book.id) > place)
    return (await session.scalars(query)).all()


async def save(session: WriteSession, book: Book) -> None:
    """Send a new or changed book to the database; raises DuplicateIsbnError."""
    session.add(book)
    try:
        await session.flush()
    except IntegrityError as error:
        if violates(error, UNIQUE_ISBN):
            raise DuplicateIsbnError from error
        raise


async def remove(session: WriteSession, book: Book) -> None:
    """Delete a book."""
    await session.delete(book)
    await session.flush()
