"""Orders over HTTP, for whoever has placed them."""

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request, Response

from bookstore_api.auth.dependencies import Caller
from bookstore_api.auth.routes import AccountRoute
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.cursors import Signing
from bookstore_api.kit.etags import etag_of
from bookstore_api.kit.pagination import After, Limit, Page
from bookstore_api.kit.parameters import Id
from bookstore_api.kit.problems import describe
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Reading, Writing
from bookstore_api.shop.idempotency.dependencies import Idempotent, respond
from bookstore_api.shop.idempotency.service import Answer, once
from bookstore_api.shop.orders import checkout, paying, service
from bookstore_api.shop.orders.gate import CheckoutGate
from bookstore_api.shop.orders.schemas import (
    Checkout,
    Nothing,
    OrderRead,
    PaymentCreate,
    PaymentRead,
    to_payment,
    to_read,
)
from bookstore_api.shop.payments.models import Payment
from bookstore_api.shop.payments.provider import (
    PROVIDER_SECONDS,
    Kind,
    PaymentsUnavailableError,
    Provider,
    ProviderError,
)
from bookstore_api.shop.payments.repository import PENDING

PREFIX = "/api/v1/orders"

router = Router(
    prefix=PREFIX,
    tags=["orders"],
    route_class=AccountRoute,
    responses=describe(422, 429, 503),
)


async def _provider(request: Request) -> Provider | None:
    provider: Provider | None = request.state.payment_provider
    return provider


@router.get("", responses=describe(412))
async def list_orders(
    read: Reading, caller: Caller, cursors: Signing, limit: Limit = 20, after: After = None
) -> Page[OrderRead]:
    """List one's orders, the newest first."""
    return await read(
        lambda session: service.list_own(session, caller, cursors, after=after, limit=limit)
    )


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=OrderRead,
    responses=describe(409),
)
async def place_order(
    write: Writing, caller: Caller, key: Idempotent, gate: CheckoutGate, body: Checkout
) -> Response:
    """Place an order for what is in one's cart, and reserve its books."""

    async def work(session: WriteSession) -> Answer:
        async def place() -> Answer:
            order = await checkout.place(session, caller, body)
            headers = {"Location": f"{PREFIX}/{order.id}", "ETag": etag_of(order.version)}
            return Answer(HTTPStatus.CREATED, to_read(order).model_dump(mode="json"), headers)

        return await once(session, key, place)

    async with gate.passed():
        answer = await write(work)
    return respond(answer)


@router.get("/{order_id}", responses=describe(404, 412))
async def read_order(read: Reading, caller: Caller, order_id: Id, response: Response) -> OrderRead:
    """Read one's order."""
    order = await read(lambda session: service.read_own(session, caller, order_id))
    response.headers["ETag"] = etag_of(order.version)
    return to_read(order)


@router.post("/{order_id}/cancellation", responses=describe(404, 409))
async def cancel_order(
    write: Writing, caller: Caller, order_id: Id, _body: Nothing, response: Response
) -> OrderRead:
    """Cancel one's order, as long as it is not shipped; what was paid is given back."""
    order = await write(lambda session: service.cancel_own(session, caller, order_id))
    response.headers["ETag"] = etag_of(order.version)
    return to_read(order)


@router.post("/{order_id}/payments", responses=describe(404, 409))
async def pay_order(
    write: Writing,
    caller: Caller,
    order_id: Id,
    body: PaymentCreate,
    provider: Annotated[Provider | None, Depends(_provider)],
) -> PaymentRead:
    """Pay one's order. Sent again, it goes on with the payment that there is.

    A payment that failed can be followed by another one, as long as the books are reserved.
    """
    if provider is None:
        msg = "Nothing can be paid: no payment provider is set up."
        raise PaymentsUnavailableError(msg, headers={"Retry-After": "60"})
    payment = await write(lambda session: paying.begin(session, caller, order_id))
    if payment.state == PENDING:
        kind = await _charge(provider, payment, body.method)
        if kind is not None:
            event = paying.Event(payment.id, kind, payment.amount_minor, payment.currency)
            payment = await write(lambda session: paying.pay(session, event))
    return to_payment(payment)


async def _charge(provider: Provider, payment: Payment, method: str) -> Kind | None:
    """Ask the provider, outside of any transaction; the payment's id makes it one payment."""
    try:
        async with asyncio.timeout(PROVIDER_SECONDS):
            return await provider.charge(payment.id, payment.amount_minor, payment.currency, method)
    except (ProviderError, TimeoutError):
        msg = "The payment provider does not answer at the moment. Try again."
        raise PaymentsUnavailableError(msg, headers={"Retry-After": "5"}) from None
