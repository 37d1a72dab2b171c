"""The progress of a release in one reconciliation."""

from dataclasses import dataclass

from bookstore_operator.core.gate import Answer
from bookstore_operator.core.measurements import Measurement
from bookstore_operator.core.plan import Action
from bookstore_operator.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Progress:
    """The result of one visit to a release, or to one stage of it."""

    snapshot: Snapshot
    """What was observed, with the releases' new status."""
    answer: Answer
    """The answer of the gate that the release waits for; Passed when there is nothing to do."""
    actions: tuple[Action, ...] = ()
    """What the stage does while it waits."""
    measurements: tuple[Measurement, ...] = ()
    """What the stage wants to have measured while it waits."""
