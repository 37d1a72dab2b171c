"""Which backups are kept."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Policy:
    """How many backups are kept: of each rule, what any rule keeps is kept."""

    keep_last: int = 7
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    minimum: int = 1

    def __post_init__(self) -> None:
        """Reject numbers below zero."""
        if min(self.keep_last, self.keep_daily, self.keep_weekly, self.keep_monthly) < 0:
            raise ValueError("keepLast, keepDaily, keepWeekly and keepMonthly are 0 or more.")
        if self.minimum < 1:
            raise ValueError("minimum is 1 or more: the newest verified backup is always kept.")


@dataclass(frozen=True)
class Candidate:
    """A complete backup, as retention sees it.

    `good`: it was read back when it was taken, and no verify since has found it damaged.
    """

    store: str
    name: str
    started: datetime
    good: bool = True


_PERIODS: dict[str, Callable[[datetime], tuple[int, ...]]] = {
    "keep_daily": lambda time: (time.year, time.month, time.day),
    "keep_weekly": lambda time: tuple(time.isocalendar()[:2]),
    "keep_monthly": lambda time: (time.year, time.month),
}


def deletions(candidates: Iterable[Candidate], store: str, policy: Policy) -> list[Candidate]:
    """Return which backups of this store to delete, the oldest first.

    Only good backups count for a rule, so failures never push a good one out, and age alone
    deletes nothing: a backup goes when enough good ones are kept. A damaged one stays for people
    to look at until `keep_last` good ones, and at least `minimum`, are newer.
    """
    own = sorted(
        (backup for backup in candidates if backup.store == store),
        key=lambda backup: (backup.started, backup.name),
        reverse=True,
    )
    good = [backup for backup in own if backup.good]
    kept = _kept(good, policy)
    unneeded = [backup for backup in good if backup.name not in kept]
    bad = [backup for backup in own if not backup.good and _replaced(backup, good, policy)]
    return sorted([*unneeded, *bad], key=lambda backup: (backup.started, backup.name))


def _kept(good: Sequence[Candidate], policy: Policy) -> set[str]:
    """Return the names to keep of good backups, the newest first."""
    kept = {backup.name for backup in good[: max(policy.keep_last, policy.minimum)]}
    for rule, period in _PERIODS.items():
        newest: dict[tuple[int, ...], str] = {}
        for backup in good:
            newest.setdefault(period(backup.started.astimezone(UTC)), backup.name)
        kept.update(list(newest.values())[: getattr(policy, rule)])
    return kept


def _replaced(backup: Candidate, good: Sequence[Candidate], policy: Policy) -> bool:
    newer = [other for other in good if other.started > backup.started]
    return len(newer) >= max(policy.keep_last, policy.minimum)
