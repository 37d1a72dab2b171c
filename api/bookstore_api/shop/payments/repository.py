"""The SQL of payments; all of it."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, inspect, select, update

from bookstore_api.db import leases
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.db.upsert import insert_if_absent
from bookstore_api.shop.payments.models import Payment, PaymentEvent

PENDING, CAPTURED, FAILED = "pending", "captured", "failed"
REFUND_PENDING, REFUNDED = "refund-pending", "refunded"
OPEN = (PENDING, CAPTURED)
PURGE_ROWS = 1000


async def find(session: ReadSession, id_: UUID) -> Payment | None:
    """Find a payment, or None."""
    return await session.get(Payment, id_)


async def find_locked(session: WriteSession, id_: UUID) -> Payment | None:
    """Find a payment as it is now, and keep others from changing it, or None."""
    query = select(Payment).where(Payment.id == id_).with_for_update()
    return await session.scalar(query.execution_options(populate_existing=True))


async def find_open(session: WriteSession, order_id: UUID) -> Payment | None:
    """Find the payment of an order that is open or has succeeded, and lock it, or None."""
    query = select(Payment).where(Payment.order_id == order_id, Payment.state.in_(OPEN))
    locked = query.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(locked)


async def add(session: WriteSession, payment: Payment) -> None:
    """Add a payment."""
    session.add(payment)
    await session.flush()


async def find_event(session: ReadSession, id_: str) -> PaymentEvent | None:
    """Find an event that came before, or None."""
    return await session.get(PaymentEvent, id_)


async def add_event(session: WriteSession, event: PaymentEvent) -> None:
    """Record an event, unless another transaction has done so meanwhile."""
    columns = inspect(PaymentEvent).column_attrs
    row = {column.key: getattr(event, column.key) for column in columns}
    await insert_if_absent(session, PaymentEvent, [row])


async def claim_refund(session: WriteSession, now: datetime, lease: timedelta) -> Payment | None:
    """Take the refund that is due the longest, for the time of the lease, or None."""
    return await leases.claim(session, Payment, Payment.state == REFUND_PENDING, now, lease)


async def end_refund(session: WriteSession, id_: UUID, now: datetime) -> None:
    """Record that the provider has given the money back."""
    ended = update(Payment).where(Payment.id == id_, Payment.state == REFUND_PENDING)
    changes = ended.values(state=REFUNDED, updated_at=now)
    await session.execute(changes.execution_options(synchronize_session=False))


async def purge_events(session: WriteSession, before: datetime) -> int:
    """Delete some events that came before then; how many."""
    query = select(PaymentEvent.id).where(PaymentEvent.received_at < before).limit(PURGE_ROWS)
    ids = (await session.scalars(query.with_for_update(skip_locked=True))).all()
    if ids:
        await session.execute(delete(PaymentEvent).where(PaymentEvent.id.in_(ids)))
    return len(ids)
