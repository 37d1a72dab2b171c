"""What each process does beside requests: mails, refunds, and what is due from time to time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from bookstore_api.db.errors import DatabaseUnavailableError
from bookstore_api.db.sessions import Database
from bookstore_api.settings import Settings
from bookstore_api.shop import maintenance
from bookstore_api.shop.domains import DOMAINS
from bookstore_api.shop.outbox.sender import Sender
from bookstore_api.shop.payments.provider import provider_of
from bookstore_api.shop.payments.refunds import Refunds

POLL_SECONDS = 2.0
PURGE_SECONDS = 3600.0

log = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def housekeeping(settings: Settings, database: Database) -> AsyncIterator[None]:
    """Do it all for as long as the block runs."""
    composers = {kind: compose for domain in DOMAINS for kind, compose in domain.mails.items()}
    sender = Sender(settings, database, composers)
    tasks = [asyncio.create_task(_send(sender)), asyncio.create_task(_purge(database))]
    if (provider := provider_of(settings)) is not None:
        tasks.append(asyncio.create_task(_refund(Refunds(database, provider))))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send(sender: Sender) -> None:
    """Send mails one after another, and look for new ones every POLL_SECONDS."""
    while True:
        try:
            while await sender.send_next():
                pass
        except DatabaseUnavailableError:
            pass  # requests report it
        except Exception:
            # One message that can't be made must not end this: its lease lets others go first.
            log.exception("a mail could not be made")
        await asyncio.sleep(POLL_SECONDS)


async def _refund(refunds: Refunds) -> None:
    """Send refunds one after another, and look for new ones every POLL_SECONDS."""
    while True:
        with suppress(DatabaseUnavailableError):  # requests report it
            while await refunds.send_next():
                pass
        await asyncio.sleep(POLL_SECONDS)


async def _purge(database: Database) -> None:
    """Do what is due once in PURGE_SECONDS; any number of processes may do so at the same time."""
    while True:
        await asyncio.sleep(PURGE_SECONDS)
        with suppress(DatabaseUnavailableError):
            await maintenance.run(database)
