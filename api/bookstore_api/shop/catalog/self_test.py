"""Proof that this code works on the database's schema: its own reads and writes, rolled back."""

import secrets
from datetime import UTC, date, datetime

from bookstore_api.db.cursor_keys import CursorKeys
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.cursors import Place
from bookstore_api.shop.catalog import repository, service
from bookstore_api.shop.catalog.isbn import make_isbn
from bookstore_api.shop.catalog.models import TITLE_LENGTH
from bookstore_api.shop.catalog.query import BookQuery, Sort

# Of many scripts, as users write: a database of another encoding than UTF-8 can't hold it all, or
# counts its bytes.
_LONG = "Rehearsal \u0420 \u05d0 \u0628 \u66f8 \U0001f56e " * TITLE_LENGTH


async def self_test(session: WriteSession) -> None:
    """Create, list, find, read, change and delete a book; whatever the database says is raised."""
    fields = {
        "isbn": make_isbn(secrets.randbelow(10**9)),
        "title": _LONG[:TITLE_LENGTH],
        "authors": ["Nobody"],
        "published_on": date(2000, 1, 1),
        "price_minor": 1,
        "currency": "EUR",
        "description": "Rehearsal",
        "language": "en",
    }
    book = service.new_book(fields, datetime.now(UTC))
    id_ = book.id
    await service.save_books(session, book)
    plain = BookQuery(isbn=book.isbn)
    found = BookQuery(sort=Sort.RELEVANCE, words=("rehearsal",), language="en", category=id_)
    await repository.page(session, plain, after=Place("", id_), limit=1)
    await repository.page(session, found, after=Place(0, id_), limit=1)
    await CursorKeys().read(session)
    session.expire(book)  # so that it is read from the database again
    await repository.find_locked(session, id_)
    service.set_fields(book, {"title": "Rehearsal, second act"})
    await service.save_books(session, book)
    await repository.remove(session, book, datetime.now(UTC))
    await repository.remove_for_good(session, id_)
