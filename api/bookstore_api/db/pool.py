"""The pool of connections, which counts how often somebody had to wait for one."""

import logging
from dataclasses import dataclass

from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

# A pool logs under the name of its class: ours is not below SQLAlchemy's, which say as much.
logging.getLogger(f"{__name__}.CountingPool").setLevel(logging.WARNING)


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
    """A pool that counts how often somebody had to wait for one of its connections."""

    waits = timeouts = waiting = 0

    def _do_get(self) -> ConnectionPoolEntry:
        """Take a connection, where there is none after a wait; SQLAlchemy's pools are made so."""
        if self.checkedin() or self.overflow() < self._max_overflow:
            return super()._do_get()
        self.waits += 1
        self.waiting += 1
        try:
            return super()._do_get()
        except PoolTimeoutError:
            self.timeouts += 1
            raise
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
