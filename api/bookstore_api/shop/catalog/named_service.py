"""What can be done with authors, publishers and categories, in the caller's transaction."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.db.sort_text import to_sort_text
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
from bookstore_api.shop.catalog import named_repository as repository
from bookstore_api.shop.catalog import service as books
from bookstore_api.shop.catalog.models import Author, Category, Named
from bookstore_api.shop.catalog.named_schemas import CategoryUpdate, NamedUpdate

T = TypeVar("T", bound=Named)
Item = TypeVar("Item")
MAX_RENAMED_BOOKS = 500
MAX_DEPTH = 20


async def list_named(  # noqa: PLR0913 - a filter each
    session: ReadSession,
    kind: type[T],
    cursors: CursorFactory,
    *,
    show: Callable[[T], Item],
    after: str | None,
    limit: int,
    name: str | None = None,
    parent: UUID | None = None,
) -> Page[Item]:
    """List a page of them by name; raises InvalidRequestError for a cursor of another list."""
    of_list = await cursors.of(session, kind.__name__, name, parent)
    place = None if after is None else of_list.decode(after)
    rows = await repository.page(
        session, kind, after=place, limit=limit + 1, name=name, parent=parent
    )
    return of_list.page_of(rows, limit, place=lambda row: Place(row.sort_name, row.id), show=show)


async def read_named(session: ReadSession, kind: type[T], id_: UUID) -> T:
    """Read one; raises NotFoundError."""
    return _found(kind, await repository.find(session, kind, id_))


async def create_named(
    session: WriteSession, kind: type[T], name: str, *, parent: UUID | None = None
) -> T:
    """Add one; raises ConflictError for a taken name, InvalidChangeError for a wrong parent."""
    now = datetime.now(UTC)
    row = kind(
        id=new_id(),
        name=name,
        sort_name=to_sort_text(name),
        version=1,
        created_at=now,
        updated_at=now,
    )
    if isinstance(row, Category) and parent is not None:
        await _move(session, row, parent)
    return await _save(session, row)


async def update_named(
    session: WriteSession, kind: type[T], id_: UUID, body: NamedUpdate, precondition: Precondition
) -> T:
    """Change one; raises any ShopError."""
    row = await _for_change(session, kind, id_, precondition)
    parent = row.parent_id if isinstance(row, Category) else None
    if isinstance(body, CategoryUpdate):
        parent = body.changed("parent_id", parent)
    name = body.changed("name", row.name)
    if isinstance(row, Category) and parent != row.parent_id:
        await _move(session, row, parent)
    elif name == row.name:
        return row
    if name != row.name:
        old, row.name, row.sort_name = row.name, name, to_sort_text(name)
        if isinstance(row, Author):
            await _rename_in_books(session, row, old)
    row.version = next_version(row.version)
    row.updated_at = datetime.now(UTC)
    return await _save(session, row)


async def delete_named(
    session: WriteSession, kind: type[T], id_: UUID, precondition: Precondition
) -> None:
    """Delete one that nothing refers to; raises any ShopError."""
    row = await _for_change(session, kind, id_, precondition)
    if await repository.is_used(session, row):
        msg = f"Books or categories refer to this {_word(kind)}: change them first."
        raise ConflictError(msg)
    await repository.remove(session, row)


async def _move(session: WriteSession, row: Category, parent: UUID | None) -> None:
    """Put a category below another one, or none; raises InvalidChangeError."""
    if parent is not None:
        if await repository.find_locked(session, Category, parent) is None:
            raise InvalidChangeError("parent_id", "There is no category with this id")
        above = await repository.ancestors(session, parent)
        if row.id in above:
            raise InvalidChangeError("parent_id", "A category can't be below itself")
        if len(above) >= MAX_DEPTH:
            raise InvalidChangeError("parent_id", f"At most {MAX_DEPTH} categories deep")
    row.parent_id = parent


async def _rename_in_books(session: WriteSession, author: Author, old: str) -> None:
    """Write an author's new name into their books, and by which words those are found."""
    await _save(session, author)
    named = await repository.books_of(session, author.id, MAX_RENAMED_BOOKS + 1)
    if len(named) > MAX_RENAMED_BOOKS:
        msg = f"More than {MAX_RENAMED_BOOKS} books name this author: change the books instead."
        raise ConflictError(msg)
    await books.rename_author(session, named, old, author.name)


async def _for_change(
    session: WriteSession, kind: type[T], id_: UUID, precondition: Precondition
) -> T:
    row = _found(kind, await repository.find_locked(session, kind, id_))
    if not precondition.holds(row.version):
        msg = (
            f"The {_word(kind)}'s version is not what you demand: read it again and repeat your "
            "change."
        )
        raise PreconditionFailedError(msg)
    return row


async def _save(session: WriteSession, row: T) -> T:
    try:
        await repository.save(session, row)
    except repository.DuplicateNameError:
        msg = f"Another {_word(type(row))} has this name."
        raise ConflictError(msg) from None
    return row


def _found(kind: type[T], row: T | None) -> T:
    if row is None:
        msg = f"There is no {_word(kind)} with this id."
        raise NotFoundError(msg)
    return row


def _word(kind: type[Named]) -> str:
    return kind.__name__.lower()
