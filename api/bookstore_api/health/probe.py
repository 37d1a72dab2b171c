"""Runs a check for whoever asks: cached, limited in time, never twice at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from bookstore_api.health.finding import Findings

CACHE_SECONDS = 1.0
# A check gives up after the first, and whoever asks has an answer after the second: what is between
# them is for a driver to let go of what it waits for.
CHECK_SECONDS = 1.5
ANSWER_SECONDS = 2.0
# No answer tells of a moment longer ago than this: a check that was answered at its last moment and
# then given from the cache.
PERIOD_SECONDS = CACHE_SECONDS + ANSWER_SECONDS

Check = Callable[[], Awaitable[Findings]]
# Makes findings of a check that found nothing, from a code and a message.
Unanswered = Callable[[str, str], Findings]

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a check found that began at `began` and ended at `ended` (`time.monotonic`)."""

    findings: Findings
    began: float
    ended: float


class Probe:
    """One check, shared by all who ask.

    A check that hangs, even when it is canceled, is not started again: at most one
    task waits for a dependency, and those who ask then have their answer at once.
    """

    def __init__(self, check: Check, unanswered: Unanswered) -> None:
        """Check nothing yet."""
        self._check = check
        self._unanswered = unanswered
        self._latest: Observed | None = None
        self._task: asyncio.Task[None] | None = None
        self._began = 0.0

    async def observe(self) -> Observed:
        """Return what was found at most `PERIOD_SECONDS` ago, within `ANSWER_SECONDS`."""
        if self._latest is not None and time.monotonic() < self._latest.ended + CACHE_SECONDS:
            return self._latest
        if self._task is None or self._task.done():
            self._began = time.monotonic()
            self._task = asyncio.create_task(self._run(self._began))
        # Waited for from outside: what does not end when it is cancelled would keep us too.
        await asyncio.wait({self._task}, timeout=self._began + ANSWER_SECONDS - time.monotonic())
        if not self._task.done() or self._latest is None:
            return Observed(self._too_late(ANSWER_SECONDS), self._began, time.monotonic())
        return self._latest

    async def _run(self, began: float) -> None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                findings = await self._check()
        except TimeoutError:
            findings = self._too_late(CHECK_SECONDS)
        except Exception as error:
            log.exception("health check failed")
            findings = self._unanswered("failed", f"Internal error: {type(error).__name__}.")
        self._latest = Observed(findings, began, time.monotonic())

    def _too_late(self, seconds: float) -> Findings:
        return self._unanswered("timeout", f"No answer within {seconds:g} s.")

    async def close(self) -> None:
        """Give up a check that still runs."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=ANSWER_SECONDS)
