"""The outbox as the rest of the API knows it."""

from datetime import datetime, timedelta

from fastapi import APIRouter

from bookstore_api.db.sessions import WriteSession
from bookstore_api.shop.domain import Domain
from bookstore_api.shop.outbox import repository
from bookstore_api.shop.outbox.models import OutboxMessage
from bookstore_api.shop.outbox.self_test import self_test

KEEP = timedelta(days=7)


async def purge(session: WriteSession, now: datetime) -> None:
    """Delete messages that expired a while ago, whatever became of them."""
    await repository.purge(session, now - KEEP)


OUTBOX = Domain("outbox", (OutboxMessage,), APIRouter(), self_test, purge=purge)
