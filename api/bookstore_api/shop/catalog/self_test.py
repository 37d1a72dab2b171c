"""Proof that this code works on the database's schema: its own reads and writes, rolled back."""

import secrets
from datetime import UTC, date, datetime

from bookstore_api.db.sessions import WriteSession
from bookstore_api.db.sort_text import SORT_TEXT_LENGTH
from bookstore_api.kit.ids import new_id
from bookstore_api.kit.pagination import SortKey
from bookstore_api.shop.catalog import repository
from bookstore_api.shop.catalog.isbn import make_isbn
from bookstore_api.shop.catalog.models import TITLE_LENGTH, Book

# Of many scripts, as users write: a database of another encoding than UTF-8 can't hold it all, or
# counts its bytes.
_LONG = "Rehearsal \u0420 \u05d0 \u0628 \u66f8 \U0001f56e " * TITLE_LENGTH


async def self_test(session: WriteSession) -> None:
    """Create, list, read, change and delete a book; whatever the database says is raised."""
    now, id_ = datetime.now(UTC), new_id()
    book = Book(
        id=id_,
        isbn=make_isbn(secrets.randbelow(10**9)),
        title=_LONG[:TITLE_LENGTH],
        sort_title=_LONG[:SORT_TEXT_LENGTH],
        authors=["Nobody"],
        published_on=date(2000, 1, 1),
        price_minor=1,
        currency="EUR",
        version=1,
        created_at=now,
        updated_at=now,
    )
    await repository.save(session, book)
    await repository.page(session, after=SortKey("", id_), limit=1, isbn=book.isbn)
    session.expire(book)  # so that it is read from the database again
    await repository.find_locked(session, id_)
    book.title = "Rehearsal, second act"
    await repository.save(session, book)
    await repository.remove(session, book)
