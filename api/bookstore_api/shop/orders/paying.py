"""Pays orders: what was asked of the provider, and what it tells, by one function for both ways.

What a provider tells may come late, twice and in any order, so it counts only where it fits what is
stored. Money that was taken for what can't be sold any more goes back.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog

from bookstore_api.auth.principal import Principal
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.errors import ConflictError
from bookstore_api.shop.accounts.accounts import live_account
from bookstore_api.shop.inventory import service as inventory
from bookstore_api.shop.orders import repository
from bookstore_api.shop.orders import service as orders
from bookstore_api.shop.orders.models import Order
from bookstore_api.shop.orders.states import State, may_become
from bookstore_api.shop.payments import repository as payment_rows
from bookstore_api.shop.payments import service as payments
from bookstore_api.shop.payments.models import Payment
from bookstore_api.shop.payments.provider import Kind

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Event:
    """What a provider tells of a payment."""

    payment_id: UUID
    kind: Kind
    minor: int
    currency: str


async def begin(session: WriteSession, caller: Principal, order_id: UUID) -> Payment:
    """Return the payment of an order of the caller, begun now where there is none open.

    Raises NotFoundError, and ConflictError where it can't be paid any more.
    """
    account = await live_account(session, caller)
    order = orders.found(await repository.find_locked(session, order_id, account_id=account.id))
    if order.state == State.PLACED and order.expires_at <= datetime.now(UTC):
        msg = "The order was not paid in time: place it again."
        raise ConflictError(msg)
    if order.state in {State.CANCELLED, State.REFUNDED}:
        msg = f"The order is {order.state}: place another one."
        raise ConflictError(msg)
    return await payments.begin(session, order.id, order.total_minor, order.currency)


async def pay(session: WriteSession, event: Event) -> Payment:
    """Apply the provider's own answer; the payment as it is then."""
    await settle(session, event)
    payment = await payment_rows.find(session, event.payment_id)
    assert payment is not None  # noqa: S101 - it was begun before the provider was asked
    return payment


async def receive(session: WriteSession, event_id: str, event: Event) -> None:
    """Do once what a signed event is about."""
    payment = await payment_rows.find(session, event.payment_id)
    if payment is not None:
        # Before the event is looked up: two copies of one event wait for each other here.
        await repository.find_locked(session, payment.order_id)
    if await payments.is_known(session, event_id):
        return
    outcome = await settle(session, event)
    log.info("payment event", outcome=outcome)
    await payments.record_event(session, event_id, event.payment_id, event.kind, outcome)


async def settle(session: WriteSession, event: Event) -> str:
    """Apply what became of a payment; what was done, in a word."""
    known = await payment_rows.find(session, event.payment_id)
    if known is None:
        return "unknown"
    order = await repository.find_locked(session, known.order_id)
    payment = await payment_rows.find_locked(session, event.payment_id)
    assert order is not None  # noqa: S101 - orders are never deleted, nor payments
    assert payment is not None  # noqa: S101
    if (event.minor, event.currency) != (payment.amount_minor, payment.currency):
        log.warning("payment event", outcome="mismatch")
        return "mismatch"
    apply = {Kind.SUCCEEDED: _succeeded, Kind.FAILED: _failed, Kind.REFUNDED: _refunded}
    return "applied" if await apply[event.kind](session, order, payment) else "ignored"


async def _succeeded(session: WriteSession, order: Order, payment: Payment) -> bool:
    if payment.state not in {payment_rows.PENDING, payment_rows.FAILED}:
        return False
    if await _sell(session, order, payment):
        await payments.capture(session, payment)
        await orders.change(session, order, State.PAID, paid_at=datetime.now(UTC))
        return True
    await payments.give_back(session, payment)
    return True


async def _sell(session: WriteSession, order: Order, payment: Payment) -> bool:
    """Sell what an order has reserved; where it has nothing reserved any more, it is cancelled."""
    if not may_become(order.state, State.PAID):
        return False
    if not await payments.may_capture(session, payment):
        return False
    wanted = {line.book_id: line.quantity for line in order.lines}
    if await inventory.sell(session, order.id, wanted):
        return True
    now = datetime.now(UTC)
    await orders.change(session, order, State.CANCELLED, reason="expired", ended_at=now)
    return False


async def _failed(session: WriteSession, _order: Order, payment: Payment) -> bool:
    """Note that nothing was paid; the copies stay reserved, for another try."""
    if payment.state != payment_rows.PENDING:
        return False
    await payments.fail(session, payment)
    return True


async def _refunded(session: WriteSession, order: Order, payment: Payment) -> bool:
    if payment.state == payment_rows.CAPTURED and may_become(order.state, State.REFUNDED):
        await orders.give_back(session, order, restock=False)
    if payment.state != payment_rows.REFUND_PENDING:
        return False
    await payments.end_refund(session, payment)
    return True
