"""What may be asked of the outbox: to send something once the transaction is committed."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.outbox import repository
from bookstore_api.shop.outbox.models import OutboxMessage


async def enqueue(
    session: WriteSession, kind: str, payload: Mapping[str, Any], *, valid_for: timedelta
) -> None:
    """Have a message sent if this transaction is committed; later than `valid_for` it is not."""
    now = datetime.now(UTC)
    await repository.add(
        session,
        OutboxMessage(
            id=new_id(),
            kind=kind,
            payload=dict(payload),
            state=repository.PENDING,
            attempts=0,
            error=None,
            created_at=now,
            due_at=now,
            expires_at=now + valid_for,
            ended_at=None,
        ),
    )
