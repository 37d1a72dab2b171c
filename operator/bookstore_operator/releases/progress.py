"""How far a release has come in one reconcile."""

from __future__ import annotations

from dataclasses import dataclass

from bookstore_operator.core.gate import Answer
from bookstore_operator.core.plan import Action
from bookstore_operator.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Progress:
    """What one look at a release, or at one stage of it, comes to."""

    snapshot: Snapshot
    """As observed, but the releases' records as they are to be written."""
    answer: Answer
    """Of the gate where the release stands; Passed when there is nothing left to do."""
    actions: tuple[Action, ...] = ()
    """What the stage does while it waits."""
