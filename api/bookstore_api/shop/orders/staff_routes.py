"""Orders over HTTP, for the staff."""

from typing import Annotated

from fastapi import Query, Response

from bookstore_api.auth.dependencies import Caller
from bookstore_api.auth.routes import BackOfficeRoute
from bookstore_api.kit.cursors import Signing
from bookstore_api.kit.etags import etag_of
from bookstore_api.kit.pagination import After, Limit, Page
from bookstore_api.kit.parameters import Id
from bookstore_api.kit.problems import describe
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Reading, Writing
from bookstore_api.shop.orders import service
from bookstore_api.shop.orders.models import Order
from bookstore_api.shop.orders.schemas import Nothing, OrderRead, Refund, to_read
from bookstore_api.shop.orders.states import State

router = Router(
    prefix="/api/v1/back-office/orders",
    tags=["back office"],
    route_class=BackOfficeRoute,
    responses=describe(422, 429, 503),
)


def _show(order: Order, response: Response) -> OrderRead:
    response.headers["ETag"] = etag_of(order.version)
    return to_read(order)


@router.get("", responses=describe(412))
async def list_all_orders(
    read: Reading,
    cursors: Signing,
    state: Annotated[State | None, Query(description="Only orders in this state")] = None,
    limit: Limit = 20,
    after: After = None,
) -> Page[OrderRead]:
    """List the orders of all accounts, the newest first."""
    return await read(
        lambda session: service.list_all(session, state, cursors, after=after, limit=limit)
    )


@router.get("/{order_id}", responses=describe(404, 412))
async def read_any_order(read: Reading, order_id: Id, response: Response) -> OrderRead:
    """Read an order."""
    return _show(await read(lambda session: service.read(session, order_id)), response)


@router.post("/{order_id}/cancellation", responses=describe(404, 409))
async def cancel_any_order(
    write: Writing, caller: Caller, order_id: Id, _body: Nothing, response: Response
) -> OrderRead:
    """Cancel an order that is not shipped; what was paid is given back."""
    order = await write(lambda session: service.cancel(session, caller, order_id))
    return _show(order, response)


@router.post("/{paid_order_id}/shipment", responses=describe(404, 409))
async def ship_order(
    write: Writing, caller: Caller, paid_order_id: Id, _body: Nothing, response: Response
) -> OrderRead:
    """Record that a paid order is shipped."""
    order = await write(
        lambda session: service.advance(session, caller, paid_order_id, State.SHIPPED)
    )
    return _show(order, response)


@router.post("/{shipped_order_id}/delivery", responses=describe(404, 409))
async def deliver_order(
    write: Writing, caller: Caller, shipped_order_id: Id, _body: Nothing, response: Response
) -> OrderRead:
    """Record that a shipped order is delivered."""
    order = await write(
        lambda session: service.advance(session, caller, shipped_order_id, State.DELIVERED)
    )
    return _show(order, response)


@router.post("/{paid_order_id}/refund", responses=describe(404, 409))
async def refund_order(
    write: Writing, caller: Caller, paid_order_id: Id, body: Refund, response: Response
) -> OrderRead:
    """Give the money of an order back, all of it."""
    order = await write(
        lambda session: service.refund(session, caller, paid_order_id, restock=body.restock)
    )
    return _show(order, response)
