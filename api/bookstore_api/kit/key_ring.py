"""The key set of this process, read again from the mounted secret while the process runs."""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus

import structlog

from bookstore_api.kit.problems import ProblemError
from bookstore_api.settings import Settings, SettingsError
from bookstore_api.settings.key_set import KeySet, parse_key_set, random_key_set

# How old the set may be. It is never read sooner, whatever key ids clients make up.
RELOAD_SECONDS = 5.0
# How long a request waits for keys where there are none yet, or none that were read.
READ_SECONDS = 2.0

log = structlog.stdlib.get_logger(__name__)


class KeysUnavailableError(ProblemError):
    """No keys are mounted, so nobody can sign in."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class KeyRing:
    """The current key set. One that can't be read leaves the last good one in use."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Read nothing yet. Development without keys uses random ones."""
        self._settings = settings
        self._clock = clock
        self._keys = None if settings.production else random_key_set()
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._failed = False

    async def current(self) -> KeySet:
        """Return the keys, at most RELOAD_SECONDS old; raises KeysUnavailableError."""
        await self._refresh()
        if self._keys is None:
            msg = "Accounts can't be used at the moment: no signing keys are mounted. Try again."
            raise KeysUnavailableError(msg, headers={"Retry-After": "10"})
        return self._keys

    async def loaded(self) -> KeySet | None:
        """Return the keys that this process has; None if it has none."""
        await self._refresh()
        return self._keys

    async def wait_until_read(self) -> None:
        """Wait until the file is not being read any more."""
        if self._reading is not None:
            await self._reading

    async def _refresh(self) -> None:
        if self._read_at is not None and self._clock() - self._read_at < RELOAD_SECONDS:
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        if self._keys is None or self._read_at is None:
            await asyncio.wait({self._reading}, timeout=READ_SECONDS)
        # Else the last good set is used meanwhile: a volume that hangs stops no request.

    async def _read(self) -> None:
        try:
            # In a thread: a volume that hangs must not stop the requests of everybody else.
            text = await asyncio.to_thread(self._settings.secret_now, "signing_keys")
            if text is not None:
                self._keys = parse_key_set(text)
            self._report(failed=False)
        except (SettingsError, ValueError):
            self._report(failed=True)
        self._read_at = self._clock()

    def _report(self, *, failed: bool) -> None:
        if failed and not self._failed:
            log.warning("signing keys can't be read: the last good ones stay in use")
        self._failed = failed
