"""What can be done with the catalog. Each function runs in its caller's transaction."""

from datetime import UTC, datetime
from uuid import UUID

from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.db.sort_text import to_sort_text
from bookstore_api.db.stored import read_text
from bookstore_api.kit.errors import (
    ConflictError,
    InvalidChangeError,
    NotFoundError,
    PreconditionFailedError,
)
from bookstore_api.kit.etags import Precondition, next_version
from bookstore_api.kit.ids import new_id
from bookstore_api.kit.pagination import Page, SortKey, page_of
from bookstore_api.shop.catalog import repository
from bookstore_api.shop.catalog.models import Book
from bookstore_api.shop.catalog.schemas import (
    BookCreate,
    BookRead,
    BookUpdate,
    price_columns,
    to_read,
)


async def create_book(session: WriteSession, body: BookCreate, precondition: Precondition) -> Book:
    """Add a book; raises PreconditionFailedError, and ConflictError where its ISBN is taken."""
    if not precondition.holds_for_a_list:
        msg = "A new book has no version to compare: send neither If-Match nor If-None-Match."
        raise PreconditionFailedError(msg)
    now = datetime.now(UTC)
    book = Book(
        id=new_id(),
        isbn=body.isbn,
        title=body.title,
        sort_title=to_sort_text(body.title),
        authors=body.authors,
        published_on=body.published_on,
        version=1,
        created_at=now,
        updated_at=now,
        **price_columns(body.price),
    )
    return await _save(session, book)


async def read_book(session: ReadSession, id_: UUID) -> Book:
    """Read a book; raises NotFoundError."""
    return _found(await repository.find(session, id_))


async def list_books(
    session: ReadSession, *, after: SortKey | None, limit: int, isbn: str | None = None
) -> Page[BookRead]:
    """List a page of books by title."""
    books = await repository.page(session, after=after, limit=limit + 1, isbn=isbn)
    return page_of(books, limit, key=_place_of, show=to_read)


def _place_of(book: Book) -> SortKey:
    return SortKey(read_text(book.sort_title), book.id)


async def update_book(
    session: WriteSession, id_: UUID, body: BookUpdate, precondition: Precondition
) -> Book:
    """Change a book; raises any ShopError."""
    book = await _for_change(session, id_, precondition)
    try:
        changes = body.changes(book)
    except ValueError as error:
        raise InvalidChangeError("price", str(error)) from None
    if "title" in changes:
        changes["sort_title"] = to_sort_text(changes["title"])
    if all(getattr(book, name) == value for name, value in changes.items()):
        return book
    for name, value in changes.items():
        setattr(book, name, value)
    book.version = next_version(book.version)
    book.updated_at = datetime.now(UTC)
    return await _save(session, book)


async def delete_book(session: WriteSession, id_: UUID, precondition: Precondition) -> None:
    """Delete a book; raises NotFoundError, PreconditionFailedError."""
    await repository.remove(session, await _for_change(session, id_, precondition))


async def _for_change(session: WriteSession, id_: UUID, precondition: Precondition) -> Book:
    book = _found(await repository.find_locked(session, id_))
    if not precondition.holds(book.version):
        msg = "The book's version is not what you demand: read it again and repeat your change."
        raise PreconditionFailedError(msg)
    return book


async def _save(session: WriteSession, book: Book) -> Book:
    try:
        await repository.save(session, book)
    except repository.DuplicateIsbnError:
        msg = "Another book has this ISBN."
        raise ConflictError(msg) from None
    return book


def _found(book: Book | None) -> Book:
    if book is None:
        msg = "There is no book with this id."
        raise NotFoundError(msg)
    return book
