"""A gate is one thing that must be true before a release goes on: what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Passed:
    """The release may go on."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet."""

    reason: Reason
    """A word for programs."""
    message: str
    """What is waited for, and what to do about it if anything."""
    until: datetime | None = None
    """When to look again though nothing has changed."""
    stalled: bool = False
    """Nothing will change unless somebody does something."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Never: the release has failed."""

    reason: Reason
    message: str


Answer: TypeAlias = Passed | Waiting | Failed
Gate: TypeAlias = Callable[[Snapshot, datetime], Answer]
