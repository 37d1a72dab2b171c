"""Which constraint rejected a write, on both databases."""

import asyncio
import errno
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import UniqueConstraint
from sqlalchemy.exc import IntegrityError

from bookstore_api.db.errors import explain, violates
from bookstore_api.db.sessions import WriteSession, open_database
from bookstore_api.kit.ids import new_id
from bookstore_api.settings import Settings
from bookstore_api.shop.catalog.models import UNIQUE_ISBN, Book


def book(isbn: str, price_minor: int = 1) -> Book:
    now = datetime.now(UTC)
    return Book(
        id=new_id(),
        isbn=isbn,
        title="A title with isbn in it",
        sort_title="isbn",
        authors=["isbn"],
        published_on=date(2000, 1, 1),
        price_minor=price_minor,
        currency="EUR",
        version=1,
        created_at=now,
        updated_at=now,
    )


def rejected(settings: Settings, *books: Book) -> IntegrityError:
    """What the database says when it is given these."""

    async def run() -> IntegrityError:
        database = open_database(settings)
        try:
            with pytest.raises(IntegrityError) as caught:
                await database.write(save)
        finally:
            await database.close()
        return caught.value

    async def save(session: WriteSession) -> None:
        for book in books:
            session.add(book)
            await session.flush()

    return asyncio.run(run())


def test_a_violated_constraint_is_told_by_its_name(settings: Settings) -> None:
    error = rejected(settings, book("9780441478125"), book("9780441478125"))
    assert violates(error, UNIQUE_ISBN)
    other = UniqueConstraint("sort_title")
    Book.__table__.to_metadata(type(Book.metadata)()).append_constraint(other)  # type: ignore[attr-defined]
    assert not violates(error, other)


def test_too_many_open_files_are_no_fault_of_the_server() -> None:
    failure = explain(OSError(errno.EMFILE, "Too many open files"))
    assert (failure.code, "ulimit -n" in failure.message) == ("unreachable", True)


def test_another_error_is_no_violation_of_it(settings: Settings) -> None:
    """Though the row is full of its name."""
    assert not violates(rejected(settings, book("9780441478125", price_minor=-1)), UNIQUE_ISBN)
