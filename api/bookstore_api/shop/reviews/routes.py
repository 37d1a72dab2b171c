"""Reviews over HTTP."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import TypeAdapter, ValidationError

from bookstore_api.auth.dependencies import Caller
from bookstore_api.auth.routes import AccountRoute, BackOfficeRoute, PublicRoute
from bookstore_api.kit.cursors import Signing
from bookstore_api.kit.pagination import After, Limit, Page
from bookstore_api.kit.parameters import Id
from bookstore_api.kit.problems import InvalidRequestError, describe
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Reading, Writing
from bookstore_api.shop.reviews import service
from bookstore_api.shop.reviews.schemas import RatingRead, ReviewRead, ReviewWrite

MAX_BOOKS = 100
_ID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_IDS = TypeAdapter(list[Id])
_COMMON = describe(422, 429, 503)

public = Router(prefix="/api/v1", tags=["reviews"], route_class=PublicRoute, responses=_COMMON)
own = Router(
    prefix="/api/v1/books",
    tags=["reviews"],
    route_class=AccountRoute,
    responses=_COMMON,
)
staff = Router(
    prefix="/api/v1/back-office/reviews",
    tags=["back office"],
    route_class=BackOfficeRoute,
    responses=_COMMON,
)


@public.get("/books/{book_id}/reviews", responses=describe(404, 412))
async def list_reviews(
    read: Reading, book_id: Id, cursors: Signing, limit: Limit = 20, after: After = None
) -> Page[ReviewRead]:
    """List the reviews of a book, the newest first."""
    return await read(
        lambda session: service.list_reviews(session, book_id, cursors, after=after, limit=limit)
    )


@public.get("/ratings", responses=describe(412))
async def read_ratings(
    read: Reading,
    books: Annotated[
        str,
        Query(
            pattern=rf"^{_ID}(,{_ID}){{0,{MAX_BOOKS - 1}}}$",
            description=f"The ids of 1 to {MAX_BOOKS} books, separated by commas",
        ),
    ],
) -> list[RatingRead]:
    """Read what the ratings of books add up to, in the order of their ids."""
    try:
        ids = _IDS.validate_python(books.split(","))
    except ValidationError:
        raise InvalidRequestError("query/books", "Not UUIDs", "uuid_parsing") from None
    return await read(lambda session: service.read_ratings(session, ids))


@own.put("/{reviewed_book_id}/review", responses=describe(404, 409))
async def write_review(
    write: Writing, caller: Caller, reviewed_book_id: Id, body: ReviewWrite
) -> ReviewRead:
    """Write one's review of a book that was delivered, or change it."""
    return await write(lambda session: service.write(session, caller, reviewed_book_id, body))


@own.delete(
    "/{reviewed_book_id}/review",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=describe(404),
)
async def delete_own_review(write: Writing, caller: Caller, reviewed_book_id: Id) -> None:
    """Delete one's review of a book."""
    await write(lambda session: service.delete_own(session, caller, reviewed_book_id))


@staff.delete(
    "/{review_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=describe(404),
)
async def delete_review(write: Writing, caller: Caller, review_id: Id) -> None:
    """Delete a review."""
    await write(lambda session: service.delete(session, caller, review_id))


router = APIRouter()
for part in (public, own, staff):
    router.routes.extend(part.routes)
