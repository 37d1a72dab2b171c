"""What may be asked of the outbox: to send something once the transaction is committed."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.outbox import repository
from bookstore_api.shop.outbox.models import OutboxMessage


@dataclass(frozen=True)
class Mail:
    """A mail as it is sent."""

    to: str
    subject: str
    text: str


@dataclass(frozen=True)
class Occasion:
    """What a mail is made of: what was enqueued, and where the shop's pages are."""

    payload: Mapping[str, Any]
    expires_at: datetime
    public_url: str


# Makes the mail of a message when it is about to be sent; None where there is no reason any more.
# What it writes is committed before the mail is sent.
Compose = Callable[[WriteSession, Occasion], Awaitable[Mail | None]]


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
