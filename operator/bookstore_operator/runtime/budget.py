"""How often an object may be set to the same content, so that two managers do not race. Pure.

Whoever manages a field that the operator manages too changes it back after each of the operator's
writes: another operator with other options, a GitOps tool, an autoscaler, a person's script. A few
repairs are at once, as for a mistake made by hand. Further ones wait, twice as long each time.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """How many writes of the same content are free, and the delays after them."""

    free: int
    first: timedelta
    longest: timedelta
    forget: timedelta = timedelta(minutes=10)
    """A write is forgotten after this time without another one."""


UPDATES = Limits(6, timedelta(seconds=5), timedelta(minutes=5))
CREATIONS = Limits(10, timedelta(seconds=2), timedelta(seconds=15))
"""Of an object that others delete: users may depend on it, so it is not absent for long."""


@dataclass(frozen=True, slots=True)
class _Account:
    content: Hashable
    writes: int
    last: datetime
    delay: timedelta


class WriteBudget:
    """Counts the writes of each object, by what they set it to."""

    def __init__(self) -> None:
        self._accounts: dict[Hashable, _Account] = {}

    def not_before(self, target: Hashable, content: Hashable, now: datetime) -> datetime:
        """Return when the object may be set to this content: `now`, or later."""
        account = self._current(target, content, now)
        return max(now, account.last + account.delay) if account else now

    def spend(self, target: Hashable, content: Hashable, now: datetime, limits: Limits) -> None:
        """Count a write of this content."""
        account = self._current(target, content, now)
        writes = account.writes + 1 if account else 1
        doublings = writes - limits.free
        delay = timedelta()
        if doublings >= 0:
            delay = min(limits.longest, limits.first * 2 ** min(doublings, 20))
        self._accounts[target] = _Account(content, writes, now, delay)

    def is_contested(self, target: Hashable, now: datetime) -> bool:
        """Whether the object has been set to the same content too often, and not long ago."""
        account = self._accounts.get(target)
        if account is None or not account.delay:
            return False
        return account.last <= now < self._calm_at(account)

    def calm_at(self, target: Hashable) -> datetime | None:
        """Return when the object counts as no longer contested, unless it is written again."""
        account = self._accounts.get(target)
        return self._calm_at(account) if account else None

    def prune(self, now: datetime) -> None:
        """Forget writes of long ago."""
        old = [key for key, item in self._accounts.items() if now - item.last > UPDATES.forget]
        for target in old:
            del self._accounts[target]

    def _calm_at(self, account: _Account) -> datetime:
        return account.last + max(account.delay * 2, timedelta(minutes=1))

    def _current(self, target: Hashable, content: Hashable, now: datetime) -> _Account | None:
        """Return the account of an object if it was last set to this content, not long ago.

        A write that is later than now was before the clock was set back: it must not delay others.
        """
        account = self._accounts.get(target)
        if account is None or account.content != content:
            return None
        return account if account.last <= now <= account.last + UPDATES.forget else None
