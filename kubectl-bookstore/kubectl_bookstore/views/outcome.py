"""Say in one word how a BookStore is, for scripts. Pure."""

from enum import StrEnum

from bookstore_operator.core.gate import Failed, Waiting
from bookstore_operator.core.reasons import WAITS_FOR_PERSON, Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.status import READY, STALLED, Condition, ConditionStatus
from kubectl_bookstore.errors import ExitCode
from kubectl_bookstore.views.evaluate import Evaluation


class Outcome(StrEnum):
    """How a BookStore is."""

    DONE = "Done"
    """The current spec serves."""
    IN_PROGRESS = "InProgress"
    WAITING_FOR_PERSON = "WaitingForPerson"
    """It is paused, waits for an approval, or there will be no progress without intervention."""
    FAILED = "Failed"
    """The release of the current spec failed, was aborted or rolled back."""
    TERMINATING = "Terminating"

    @property
    def exit_code(self) -> ExitCode | None:
        """The exit code of a command that waits for it; None while it is worth waiting."""
        return _EXIT_CODES.get(self)


_EXIT_CODES = {
    Outcome.DONE: ExitCode.DONE,
    Outcome.WAITING_FOR_PERSON: ExitCode.PERSON,
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.TERMINATING: ExitCode.REFUSED,
}


def outcome_of(snapshot: Snapshot, evaluation: Evaluation) -> Outcome:
    """Return how a BookStore is.

    Both must agree that it is done: the operator's status, about the current spec, and the same
    decision taken on what is there now.
    """
    store, blocking = snapshot.store, evaluation.blocking
    stalled = isinstance(blocking, Waiting) and blocking.stalled
    if store.metadata.deletion_timestamp:
        return Outcome.TERMINATING
    waits = isinstance(blocking, Waiting) and blocking.reason in WAITS_FOR_PERSON
    back = isinstance(blocking, Waiting) and blocking.reason is Reason.ROLLED_BACK
    failed = back or isinstance(blocking, Failed)
    if failed and not store.spec.paused:
        return Outcome.FAILED
    if store.spec.paused or stalled or waits or holds(snapshot, STALLED):
        return Outcome.WAITING_FOR_PERSON
    return Outcome.DONE if holds(snapshot, READY) else Outcome.IN_PROGRESS


def is_observed(snapshot: Snapshot) -> bool:
    """Whether the operator has seen the current spec."""
    store = snapshot.store
    return store.status.observed_generation >= store.metadata.generation


def condition_of(snapshot: Snapshot, kind: str) -> Condition | None:
    """Return a condition of the BookStore's status; None if it has none of that type."""
    conditions = snapshot.store.status.conditions
    return next((item for item in conditions if item.type == kind), None)


def holds(snapshot: Snapshot, kind: str) -> bool:
    """Whether a condition is True for the current spec."""
    condition = condition_of(snapshot, kind)
    return (
        condition is not None
        and condition.status is ConditionStatus.TRUE
        and condition.observed_generation >= snapshot.store.metadata.generation
    )
