"""Gives money back: claim and commit, ask the provider, record that it is done.

A process that is killed after asking has not recorded that, so it is asked for again once the lease
is over: the payment's id tells the provider that it is the same refund.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from bookstore_api.db.sessions import Database, WriteSession
from bookstore_api.shop.payments import repository
from bookstore_api.shop.payments.models import Payment
from bookstore_api.shop.payments.provider import PROVIDER_SECONDS, Provider, ProviderError

LEASE = timedelta(minutes=1)

log = structlog.stdlib.get_logger(__name__)


class Refunds:
    """Sends refunds that are due, one at a time."""

    def __init__(self, database: Database, provider: Provider) -> None:
        self._database = database
        self._provider = provider

    async def send_next(self) -> bool:
        """Send the refund that is due the longest; whether there was one.

        Raises DatabaseUnavailableError. One that can't be sent is no error: it is tried later.
        """
        payment = await self._database.write(_claim)
        if payment is None:
            return False
        if await self._send(payment):
            await self._database.write(
                lambda session: repository.end_refund(session, payment.id, datetime.now(UTC))
            )
        return True

    async def _send(self, payment: Payment) -> bool:
        try:
            async with asyncio.timeout(PROVIDER_SECONDS):
                await self._provider.refund(payment.id, payment.amount_minor, payment.currency)
        except (ProviderError, TimeoutError):
            log.warning("refund", outcome="failed")
            return False
        log.info("refund", outcome="refunded")
        return True


async def _claim(session: WriteSession) -> Payment | None:
    return await repository.claim_refund(session, datetime.now(UTC), LEASE)
