"""The inventory over HTTP."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from bookstore_api.auth.dependencies import Caller
from bookstore_api.auth.routes import BackOfficeRoute, PublicRoute
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.cursors import Signing
from bookstore_api.kit.pagination import After, Limit, Page
from bookstore_api.kit.parameters import Id
from bookstore_api.kit.problems import describe
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Reading, Writing
from bookstore_api.shop.idempotency.dependencies import Idempotent, respond
from bookstore_api.shop.idempotency.service import Answer, once
from bookstore_api.shop.inventory import service
from bookstore_api.shop.inventory.schemas import (
    Availability,
    MoveCreate,
    MoveMade,
    MoveRead,
    StockRead,
)

_COMMON = describe(404, 422, 429, 503)

public = Router(
    prefix="/api/v1/books/{book_id}/availability",
    tags=["books"],
    route_class=PublicRoute,
    responses=_COMMON,
)
staff = Router(
    prefix="/api/v1/stock", tags=["stock"], route_class=BackOfficeRoute, responses=_COMMON
)


@public.get("", responses=describe(412))
async def read_availability(read: Reading, book_id: Id) -> Availability:
    """Read how many copies of a book can be bought."""
    stock = await read(lambda session: service.read_stock(session, book_id))
    return Availability(book_id=book_id, available=stock.available)


@staff.get("/{book_id}", responses=describe(412))
async def read_stock(read: Reading, book_id: Id) -> StockRead:
    """Read the stock of a book."""
    return await read(lambda session: service.read_stock(session, book_id))


@staff.get("/{book_id}/moves", responses=describe(412))
async def list_stock_moves(
    read: Reading, book_id: Id, cursors: Signing, limit: Limit = 20, after: After = None
) -> Page[MoveRead]:
    """List what came and went of a book, the newest first."""
    return await read(
        lambda session: service.list_moves(session, book_id, cursors, after=after, limit=limit)
    )


@staff.post(
    "/{book_id}/moves",
    status_code=HTTPStatus.CREATED,
    response_model=MoveMade,
    responses=describe(409),
)
async def move_stock(
    write: Writing, caller: Caller, key: Idempotent, book_id: Id, body: MoveCreate
) -> Response:
    """Record copies that came, or a correction after counting."""

    async def work(session: WriteSession) -> Answer:
        async def move() -> Answer:
            id_, stock = await service.move(session, caller, book_id, body)
            made = MoveMade(id=id_, stock=stock)
            return Answer(HTTPStatus.CREATED, made.model_dump(mode="json"))

        return await once(session, key, move)

    return respond(await write(work))


router = APIRouter()
for part in (public, staff):
    router.routes.extend(part.routes)
