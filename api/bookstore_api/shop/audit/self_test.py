"""Proof that the audit log works on the database's schema: its own reads and writes."""

from bookstore_api.auth.principal import AUTOMATION
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.audit import repository
from bookstore_api.shop.audit.service import Change, record


async def self_test(session: WriteSession) -> None:
    """Record a change and read it; whatever the database says is raised."""
    id_ = new_id()
    await record(session, AUTOMATION, Change("self-test", "nothing", id_, {"a": 1}, {"a": 2}))
    await repository.of_object(session, id_)
