"""Exit the process if its event loop is blocked."""

import asyncio
import logging
import os
import threading
import time

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 5.0
_CHECKS_MISSED = 12
_LOG_SECONDS = 2.0


class Watchdog:
    """Exits the process if its event loop is blocked, also where no kubelet probes it.

    It counts missed checks, not seconds, so that a process that was stopped for a while, or a
    laptop that slept, does not count as blocked.
    """

    def __init__(self) -> None:
        self._beats = 0

    async def beat(self) -> None:
        """Count a beat every second, for ever."""
        while True:
            self._beats += 1
            await asyncio.sleep(1)

    def start(self) -> None:
        """Start the thread that checks the beats."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        seen, missed = -1, 0
        while missed < _CHECKS_MISSED:
            time.sleep(_CHECK_SECONDS)
            missed = missed + 1 if self._beats == seen else 0
            seen = self._beats
        # In a thread that is not waited for: the loop may be blocked in the middle of a log line.
        message = "The event loop was blocked for a minute: the operator exits."
        alarm = threading.Thread(target=logger.critical, args=(message,), daemon=True)
        alarm.start()
        alarm.join(_LOG_SECONDS)
        os._exit(1)
