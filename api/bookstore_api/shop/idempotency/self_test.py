"""Proof that stored answers work on the database's schema, rolled back."""

from datetime import UTC, datetime

from bookstore_api.auth.principal import AUTOMATION
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.idempotency import repository
from bookstore_api.shop.idempotency.service import Answer, make_key, once


async def self_test(session: WriteSession) -> None:
    """Answer a key twice; whatever the database says is raised."""

    async def work() -> Answer:
        return Answer(200, {"nothing": None})

    key = make_key(AUTOMATION, "self-test", new_id().hex, b"")
    await once(session, key, work)
    await once(session, key, work)
    await repository.purge(session, datetime.min.replace(tzinfo=UTC))
    await repository.delete_of(session, new_id().hex)
