"""Lets in so many checkouts at once as leaves connections to everybody else.

A rush of buyers waits here in the order that it came, and not for the pool's connections, where
it would keep out who reads the catalog, and who waits too long gets a 503.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request

from bookstore_api.kit.problems import ProblemError

WAIT_SECONDS = 20.0
LEFT_TO_OTHERS = 2


class CheckoutBusyError(ProblemError):
    """Too many orders are being placed."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class Gate:
    """The gate of one process."""

    def __init__(self, pool_size: int) -> None:
        self._places = asyncio.Semaphore(max(1, pool_size - LEFT_TO_OTHERS))

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Wait for a place and keep it for the block; raises CheckoutBusyError."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            msg = "Too many orders are being placed at the moment. Try again."
            raise CheckoutBusyError(msg, headers={"Retry-After": "5"}) from None
        try:
            yield
        finally:
            self._places.release()


async def _gate(request: Request) -> Gate:
    gate = request.state.checkout_gate
    assert isinstance(gate, Gate)  # noqa: S101 - put there by the app's lifespan
    return gate


CheckoutGate = Annotated[Gate, Depends(_gate)]
