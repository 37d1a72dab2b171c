"""The outbox's SQL; all of it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update

from bookstore_api.db.sessions import WriteSession
from bookstore_api.shop.outbox.models import OutboxMessage

PENDING = "pending"


async def add(session: WriteSession, message: OutboxMessage) -> None:
    """Add a message."""
    session.add(message)
    await session.flush()


async def claim(
    session: WriteSession, kinds: Collection[str], now: datetime, lease: timedelta
) -> OutboxMessage | None:
    """Take the message of these kinds that is due the longest, for the time of the lease.

    None if there is none.

    Until the lease is over nobody else takes it. What others are taking is skipped.
    """
    due = (
        select(OutboxMessage.id)
        .where(
            OutboxMessage.state == PENDING,
            OutboxMessage.due_at <= now,
            OutboxMessage.kind.in_(kinds),
        )
        .order_by(OutboxMessage.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    taken = (
        update(OutboxMessage)
        # Not IN: PostgreSQL may evaluate that for each row, and take as many.
        .where(OutboxMessage.id == due, OutboxMessage.state == PENDING)
        .values(due_at=now + lease, attempts=OutboxMessage.attempts + 1)
        .returning(OutboxMessage)
    )
    return await session.scalar(taken.execution_options(synchronize_session=False))


async def end(
    session: WriteSession, id_: UUID, state: str, now: datetime, *, error: str | None = None
) -> None:
    """Record how a message that was pending ended."""
    await _change(session, id_, {"state": state, "ended_at": now, "error": error})


async def postpone(session: WriteSession, id_: UUID, due_at: datetime, error: str) -> None:
    """Record why a message could not be sent, and when to try again."""
    await _change(session, id_, {"due_at": due_at, "error": error})


async def purge(session: WriteSession, before: datetime) -> None:
    """Delete messages that ended before then, or should have."""
    await session.execute(delete(OutboxMessage).where(OutboxMessage.expires_at < before))


async def _change(session: WriteSession, id_: UUID, values: dict[str, object]) -> None:
    pending = update(OutboxMessage).where(OutboxMessage.id == id_, OutboxMessage.state == PENDING)
    await session.execute(pending.values(values).execution_options(synchronize_session=False))
