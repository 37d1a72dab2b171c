"""What can be done with books. Each function runs in its caller's transaction."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import inspect
from sqlalchemy.orm.attributes import set_committed_value

from bookstore_api.db.book_document import author_names, to_document
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.db.sort_text import to_sort_text
from bookstore_api.db.stored import read_text
from bookstore_api.kit.cursors import CursorFactory, Place
from bookstore_api.kit.errors import (
    ConflictError,
    InvalidChangeError,
    NotFoundError,
    PreconditionFailedError,
)
from bookstore_api.kit.etags import Precondition, next_version
from bookstore_api.kit.ids import new_id
from bookstore_api.kit.pagination import Page
from bookstore_api.shop.catalog import repository
from bookstore_api.shop.catalog.models import Book, BookDetails, Category
from bookstore_api.shop.catalog.query import BookQuery
from bookstore_api.shop.catalog.schemas import BookCreate, BookRead, BookUpdate, to_read

DETAILS = frozenset({"description", "language", "publisher_id"})
"""The fields of a book that are in its details."""
_DUPLICATE = "Another book has this ISBN."


async def create_book(session: WriteSession, body: BookCreate, precondition: Precondition) -> Book:
    """Add a book; raises PreconditionFailedError, and ConflictError where its ISBN is taken."""
    if not precondition.holds_for_a_list:
        msg = "A new book has no version to compare: send neither If-Match nor If-None-Match."
        raise PreconditionFailedError(msg)
    book = new_book(body.columns(), datetime.now(UTC))
    book.categories = await _categories(session, body.category_ids)
    await _check_publisher(session, body.publisher_id)
    return await _save(session, book)


def new_book(fields: dict[str, Any], now: datetime) -> Book:
    """Make a book of its fields, those of its details included; in no category yet."""
    book = Book(
        id=new_id(), version=1, created_at=now, updated_at=now, details=BookDetails(), categories=[]
    )
    set_fields(book, fields)
    return book


def set_fields(book: Book, fields: dict[str, Any]) -> bool:
    """Change a book and what is derived from its fields; whether anything changed."""
    details = book.details or BookDetails()
    changed = book.details is None and bool(fields.keys() & DETAILS)
    for name, value in fields.items():
        part = details if name in DETAILS else book
        if getattr(part, name) != value:
            setattr(part, name, value)
            changed = True
    if changed or details.document is None:
        title = read_text(book.title)
        if "title" in fields:
            book.sort_title = to_sort_text(title)
        details.document = to_document(title, author_names(book.authors), details.description)
        book.details = details
    return changed


async def read_book(session: ReadSession, id_: UUID) -> Book:
    """Read a book; raises NotFoundError."""
    return _found(await repository.find(session, id_))


async def list_books(
    session: ReadSession,
    query: BookQuery,
    cursors: CursorFactory,
    *,
    after: str | None,
    limit: int,
) -> Page[BookRead]:
    """List a page of books; raises InvalidRequestError for a cursor of another list."""
    of_list = await cursors.of(session, *query.binding, accepts_unsigned=query.is_plain)
    place = None if after is None else of_list.decode(after)
    if query.words == ():  # of nothing but punctuation, nothing is found
        return Page(items=[], next=None)
    rows = await repository.page(session, query, after=place, limit=limit + 1)
    return of_list.page_of(rows, limit, place=_place_of, show=lambda row: to_read(row[0]))


def _place_of(row: tuple[Book, Any]) -> Place:
    book, key = row
    return Place(key if isinstance(key, int) else read_text(key), book.id)


async def update_book(
    session: WriteSession, id_: UUID, body: BookUpdate, precondition: Precondition
) -> Book:
    """Change a book; raises any ShopError."""
    book = await _for_change(session, id_, precondition)
    try:
        changes = body.changes(book)
    except ValueError as error:
        raise InvalidChangeError("price", str(error)) from None
    # What is asked of the database comes first: a query sends to it what has changed so far.
    await _check_publisher(session, changes.get("publisher_id"))
    ids = changes.pop("category_ids", None)
    moved = ids is not None and set(ids) != {category.id for category in book.categories}
    if moved:
        book.categories = await _categories(session, ids or ())
    if not set_fields(book, changes) and not moved:
        return book
    book.version = next_version(book.version)
    book.updated_at = datetime.now(UTC)
    return await _save(session, book)


async def delete_book(
    session: WriteSession, id_: UUID, precondition: Precondition, *, permanently: bool = False
) -> None:
    """Delete a book; raises NotFoundError, PreconditionFailedError.

    One that is deleted already can only be deleted permanently.
    """
    if permanently and await repository.find_deleted(session, id_) is not None:
        await repository.remove_for_good(session, id_)
        return
    book = await _for_change(session, id_, precondition)
    if permanently:
        await repository.remove_for_good(session, id_)
        return
    book.version = next_version(book.version)
    await repository.remove(session, book, datetime.now(UTC))


async def restore_book(session: WriteSession, id_: UUID) -> Book:
    """Put a deleted book back; raises NotFoundError, and ConflictError for a taken ISBN."""
    book = await repository.find_deleted(session, id_)
    if book is None:
        msg = "There is no deleted book with this id."
        raise NotFoundError(msg)
    book.deleted_at, book.updated_at = None, datetime.now(UTC)
    book.version = next_version(book.version)
    return await _save(session, book)


async def _for_change(session: WriteSession, id_: UUID, precondition: Precondition) -> Book:
    book = _found(await repository.find_locked(session, id_))
    if not precondition.holds(book.version):
        msg = "The book's version is not what you demand: read it again and repeat your change."
        raise PreconditionFailedError(msg)
    return book


async def _save(session: WriteSession, book: Book) -> Book:
    try:
        await save_books(session, book)
    except repository.DuplicateIsbnError:
        raise ConflictError(_DUPLICATE) from None
    return book


async def save_books(session: WriteSession, *books: Book) -> None:
    """Send new or changed books to the database, and by which authors they are found.

    Raises DuplicateIsbnError.
    """
    authors = {book.id: author_names(book.authors) for book in books if _has_new_authors(book)}
    await repository.save(session, *books)
    if authors:
        await repository.link_authors(session, authors)


def _has_new_authors(book: Book) -> bool:
    """Whether a book's authors changed, or were never linked: older code has no details."""
    state = inspect(book)
    return bool({"authors", "details"} & {part.key for part in state.attrs if part.history.added})


async def rename_author(session: WriteSession, books: Sequence[Book], old: str, new: str) -> None:
    """Write another name for an author into books, and by which words those are found."""
    details = await repository.details_of(session, [book.id for book in books])
    now = datetime.now(UTC)
    for book in books:
        set_committed_value(book, "details", details.get(book.id))
        names = author_names(book.authors)
        set_fields(book, {"authors": [new if name == old else name for name in names]})
        book.version, book.updated_at = next_version(book.version), now
    await save_books(session, *books)


async def _categories(session: WriteSession, ids: Iterable[UUID]) -> list[Category]:
    wanted = set(ids)
    found = await repository.existing_categories(session, wanted) if wanted else ()
    if len(found) != len(wanted):
        msg = "There is no category with this id"
        raise InvalidChangeError("category_ids", msg)
    return list(found)


async def _check_publisher(session: WriteSession, id_: UUID | None) -> None:
    if id_ is not None and not await repository.publisher_exists(session, id_):
        msg = "There is no publisher with this id"
        raise InvalidChangeError("publisher_id", msg)


def _found(book: Book | None) -> Book:
    if book is None:
        msg = "There is no book with this id."
        raise NotFoundError(msg)
    return book
