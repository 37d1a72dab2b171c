"""A gate is one precondition of a release's progress; an Answer is what it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Passed:
    """The precondition holds."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The precondition does not hold yet."""

    reason: Reason
    message: str
    """What is waited for, and what to do, if anything."""
    until: datetime | None = None
    """When to evaluate the gate again without an event; None: only after an event."""
    stalled: bool = False
    """There will be no progress without intervention."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The precondition will not hold: the release has failed."""

    reason: Reason
    message: str


Answer: TypeAlias = Passed | Waiting | Failed
Gate: TypeAlias = Callable[[Snapshot, datetime], Answer]
