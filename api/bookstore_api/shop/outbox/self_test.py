"""Proof that the outbox works on the database's schema: its own reads and writes, rolled back."""

from datetime import UTC, datetime, timedelta

from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.outbox import repository
from bookstore_api.shop.outbox.service import enqueue


async def self_test(session: WriteSession) -> None:
    """Enqueue, take, postpone and end a message; whatever the database says is raised."""
    now = datetime.now(UTC)
    await enqueue(session, "self-test", {"nothing": None}, valid_for=timedelta(hours=1))
    # Of a kind of its own: a claim locks what it takes until this is rolled back.
    await repository.claim(session, ["self-test"], now, timedelta(minutes=1))
    await repository.postpone(session, new_id(), now, "self-test")
    await repository.end(session, new_id(), "sent", now)
