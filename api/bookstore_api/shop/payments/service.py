"""What can be done with payments. Each function runs in its caller's transaction.

pending → captured → refund-pending → refunded
pending → failed → refund-pending    (the provider has taken the money after all)
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.payments import repository
from bookstore_api.shop.payments.models import Payment, PaymentEvent
from bookstore_api.shop.payments.provider import Kind
from bookstore_api.shop.payments.repository import (
    CAPTURED,
    FAILED,
    PENDING,
    REFUND_PENDING,
    REFUNDED,
)

KEEP_EVENTS = timedelta(days=30)


async def begin(session: WriteSession, order_id: UUID, minor: int, currency: str) -> Payment:
    """Return the open payment of an order, or begin one; the order is locked by the caller."""
    if (payment := await repository.find_open(session, order_id)) is not None:
        return payment
    now = datetime.now(UTC)
    payment = Payment(
        id=new_id(),
        order_id=order_id,
        state=PENDING,
        amount_minor=minor,
        currency=currency,
        attempts=0,
        due_at=now,
        created_at=now,
        updated_at=now,
    )
    await repository.add(session, payment)
    return payment


async def may_capture(session: WriteSession, payment: Payment) -> bool:
    """Whether no other payment of its order is open or has succeeded."""
    other = await repository.find_open(session, payment.order_id)
    return other is None or other.id == payment.id


async def capture(session: WriteSession, payment: Payment) -> None:
    """Record that the provider has taken the money."""
    await _move(session, payment, CAPTURED)


async def fail(session: WriteSession, payment: Payment) -> None:
    """Record that the provider has taken no money."""
    await _move(session, payment, FAILED)


async def give_back(session: WriteSession, payment: Payment) -> None:
    """Have the money given back once this transaction is committed."""
    payment.due_at = datetime.now(UTC)
    await _move(session, payment, REFUND_PENDING)


async def end_refund(session: WriteSession, payment: Payment) -> None:
    """Record that the provider has given the money back."""
    await _move(session, payment, REFUNDED)


async def is_known(session: WriteSession, event_id: str) -> bool:
    """Whether an event came before."""
    return await repository.find_event(session, event_id) is not None


async def record_event(
    session: WriteSession, event_id: str, payment_id: UUID, kind: Kind, outcome: str
) -> None:
    """Record what was done about an event."""
    event = PaymentEvent(
        id=event_id,
        payment_id=payment_id,
        kind=kind,
        outcome=outcome,
        received_at=datetime.now(UTC),
    )
    await repository.add_event(session, event)


async def purge_events(session: WriteSession, now: datetime) -> int:
    """Delete some events that are too old to come again; how many."""
    return await repository.purge_events(session, now - KEEP_EVENTS)


async def _move(session: WriteSession, payment: Payment, state: str) -> None:
    payment.state, payment.updated_at = state, datetime.now(UTC)
    await session.flush()
