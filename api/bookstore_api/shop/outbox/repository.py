"""The outbox's SQL; all of it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, delete, update

from bookstore_api.db import leases
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
    """Take the message of these kinds that is due the longest, or None (see `leases.claim`)."""
    is_open = and_(OutboxMessage.state == PENDING, OutboxMessage.kind.in_(kinds))
    return await leases.claim(session, OutboxMessage, is_open, now, lease)


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
