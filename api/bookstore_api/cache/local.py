"""Copies of answers in this process: few, small, and for a moment only."""

import time
from collections import OrderedDict
from collections.abc import Callable

from bookstore_api.cache.entries import Entry

MAX_ENTRIES = 1000
MAX_BYTES = 8 * 1024 * 1024


class LocalCopies:
    """The answers that were used last; each for some seconds from when it began to be true."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._seconds = seconds
        self._entries: OrderedDict[str, tuple[Entry, float]] = OrderedDict()
        self._bytes = 0
        self.epoch = 0
        """Grows with each `clear`: what was loaded before one must not be kept after it."""

    def find(self, key: str) -> Entry | None:
        """Return a copy that is young enough."""
        found = self._entries.get(key)
        if found is None:
            return None
        entry, expires = found
        if self.clock() < expires:
            return entry
        self._drop(key)
        return None

    def keep(self, key: str, entry: Entry, *, since: float, epoch: int) -> None:
        """Keep an answer that was true at `since`, unless it was cleared away meanwhile."""
        expires = since + self._seconds
        if epoch != self.epoch or self.clock() >= expires:
            return
        self._drop(key)
        self._entries[key] = (entry, expires)
        self._bytes += len(entry.body)
        while len(self._entries) > MAX_ENTRIES or self._bytes > MAX_BYTES:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget all: something was changed."""
        self._entries.clear()
        self._bytes = 0
        self.epoch += 1

    def _drop(self, key: str) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._bytes -= len(found[0].body)
