"""The catalog over HTTP."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Response

from bookstore_api.auth.routes import StaffRoute
from bookstore_api.kit.cursors import Signing
from bookstore_api.kit.etags import IfMatches, etag_of
from bookstore_api.kit.pagination import After, Limit, Page
from bookstore_api.kit.parameters import Id
from bookstore_api.kit.problems import describe
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Reading, Writing
from bookstore_api.shop.catalog import service
from bookstore_api.shop.catalog.parameters import Wanted
from bookstore_api.shop.catalog.schemas import BookCreate, BookRead, BookUpdate, to_read

# The whole prefix here: one given to include_router is missing from the route's template in logs.
router = Router(
    prefix="/api/v1/books",
    tags=["books"],
    route_class=StaffRoute,
    responses=describe(422, 429, 503),
)


@router.get("", responses=describe(412))
async def list_books(
    read: Reading, wanted: Wanted, cursors: Signing, limit: Limit = 20, after: After = None
) -> Page[BookRead]:
    """List books, page by page: by title, or as asked."""
    return await read(
        lambda session: service.list_books(session, wanted, cursors, after=after, limit=limit)
    )


@router.post("", status_code=HTTPStatus.CREATED, responses=describe(409, 412))
async def create_book(
    write: Writing, body: BookCreate, precondition: IfMatches, response: Response
) -> BookRead:
    """Add a book."""
    book = await write(lambda session: service.create_book(session, body, precondition))
    response.headers["Location"] = f"{router.prefix}/{book.id}"
    response.headers["ETag"] = etag_of(book.version)
    return to_read(book)


@router.get("/{book_id}", responses=describe(404, 412))
async def read_book(read: Reading, book_id: Id, response: Response) -> BookRead:
    """Read a book."""
    book = await read(lambda session: service.read_book(session, book_id))
    response.headers["ETag"] = etag_of(book.version)
    return to_read(book)


@router.patch("/{book_id}", responses=describe(404, 409, 412))
async def update_book(
    write: Writing, book_id: Id, body: BookUpdate, precondition: IfMatches, response: Response
) -> BookRead:
    """Change some fields of a book (JSON merge patch, RFC 7396)."""
    book = await write(lambda session: service.update_book(session, book_id, body, precondition))
    response.headers["ETag"] = etag_of(book.version)
    return to_read(book)


@router.delete(
    "/{book_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=describe(404, 412),
)
async def delete_book(
    write: Writing,
    book_id: Id,
    precondition: IfMatches,
    permanently: Annotated[
        bool, Query(description="Whether it can't be restored, nor be seen in orders")
    ] = False,
) -> None:
    """Delete a book: it is no longer in the catalog, and can be restored."""
    await write(
        lambda session: service.delete_book(session, book_id, precondition, permanently=permanently)
    )


@router.post("/{deleted_book_id}/restore", responses=describe(404, 409))
async def restore_book(write: Writing, deleted_book_id: Id, response: Response) -> BookRead:
    """Put a deleted book back into the catalog."""
    book = await write(lambda session: service.restore_book(session, deleted_book_id))
    response.headers["ETag"] = etag_of(book.version)
    return to_read(book)
