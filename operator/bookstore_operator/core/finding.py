"""A condition of a BookStore without its times."""

from dataclasses import dataclass

from bookstore_operator.core.reasons import Reason
from bookstore_operator.crd.status import ConditionStatus


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition without its times, which status/conditions.py adds."""

    type: str
    status: ConditionStatus
    reason: Reason
    message: str


def holds(kind: str, reason: Reason, message: str) -> Finding:
    """Return a condition that is True."""
    return Finding(kind, ConditionStatus.TRUE, reason, message)


def fails(kind: str, reason: Reason, message: str) -> Finding:
    """Return a condition that is False."""
    return Finding(kind, ConditionStatus.FALSE, reason, message)


def unknown(kind: str, reason: Reason, message: str) -> Finding:
    """Return a condition that is Unknown."""
    return Finding(kind, ConditionStatus.UNKNOWN, reason, message)
