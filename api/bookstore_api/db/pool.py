"""The pool of connections, which counts how often somebody had to wait for one."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy.exc import EmulatedDBAPIException
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util.queue import Empty

# A pool logs under the name of its class: ours is not below SQLAlchemy's, which say as much.
logging.getLogger(f"{__name__}.CountingPool").setLevel(logging.WARNING)

# A server that had no connection to spare is asked for none for this long, while there are others.
TOO_MANY_CONNECTIONS = "53300"
FULL_SECONDS = 1.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class PoolState:
    """The connections that requests use; `waits` and `timeouts` since the process began."""

    size: int
    open: int
    checked_out: int
    overflow: int
    waiting: int
    waits: int
    timeouts: int


class CountingPool(AsyncAdaptedQueuePool):
    """A pool that counts how often somebody had to wait for one of its connections.

    Where the server has none to spare, those that there are serve one request after the other.
    """

    waits = timeouts = waiting = 0
    _full: EmulatedDBAPIException | None = None
    _full_until = 0.0

    def _do_get(self) -> ConnectionPoolEntry:
        """Take a connection, where there is none after a wait; SQLAlchemy's pools are made so.

        SQLAlchemy's own wait does not end when one that was being made fails: it would last to its
        end, though nobody has a connection to give back.
        """
        if entry := self._take():
            return entry
        deadline = time.monotonic() + self._timeout
        with self._counted_wait():
            while (left := deadline - time.monotonic()) > 0:
                if self._full and not self.checkedout():
                    raise self._full
                with suppress(Empty):
                    return self._pool.get(block=True, timeout=min(left, LOOK_SECONDS))
                if entry := self._take():
                    return entry
        self.timeouts += 1
        raise self._full or PoolTimeoutError

    def _take(self) -> ConnectionPoolEntry | None:
        """Take a connection that is idle, or make one; None where there is none to be had."""
        may_open = self.overflow() < self._max_overflow and time.monotonic() >= self._full_until
        if not (self.checkedin() or may_open):
            return None
        if may_open:
            self._full = None
        try:
            return super()._do_get()
        except EmulatedDBAPIException as error:
            if getattr(error, "sqlstate", None) != TOO_MANY_CONNECTIONS:
                raise
            self._full, self._full_until = error, time.monotonic() + FULL_SECONDS
            return None

    @contextmanager
    def _counted_wait(self) -> Iterator[None]:
        self.waits += 1
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    def state(self) -> PoolState:
        """Return what it is at this moment."""
        return PoolState(
            size=self.size(),
            open=self.checkedin() + self.checkedout(),
            checked_out=self.checkedout(),
            overflow=max(0, self.overflow()),
            waiting=self.waiting,
            waits=self.waits,
            timeouts=self.timeouts,
        )
