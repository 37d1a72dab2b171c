"""Proof that payments work on the database's schema: their own reads and writes, rolled back."""

from datetime import UTC, datetime, timedelta

from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.payments import repository, service
from bookstore_api.shop.payments.provider import Kind

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def self_test(session: WriteSession) -> None:
    """Pay, get an event, give back; whatever the database says is raised."""
    order_id, event_id = new_id(), new_id().hex
    payment = await service.begin(session, order_id, 1, "EUR")
    await repository.find_locked(session, payment.id)
    await service.may_capture(session, payment)
    await service.capture(session, payment)
    await service.is_known(session, event_id)
    await service.record_event(session, event_id, payment.id, Kind.SUCCEEDED, "applied")
    await service.give_back(session, payment)
    await repository.claim_refund(session, LONG_AGO, timedelta(0))
    await repository.end_refund(session, payment.id, LONG_AGO)
    await repository.purge_events(session, LONG_AGO)
