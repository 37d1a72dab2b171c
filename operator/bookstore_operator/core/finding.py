"""A condition of a BookStore but for its times."""

from __future__ import annotations

from dataclasses import dataclass

from bookstore_operator.core.reasons import Reason
from bookstore_operator.crd.status import ConditionStatus


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition but for its times."""

    type: str
    status: ConditionStatus
    reason: Reason
    message: str


def holds(kind: str, reason: Reason, message: str) -> Finding:
    """Find that a condition is True."""
    return Finding(kind, ConditionStatus.TRUE, reason, message)


def fails(kind: str, reason: Reason, message: str) -> Finding:
    """Find that a condition is False."""
    return Finding(kind, ConditionStatus.FALSE, reason, message)


def unknown(kind: str, reason: Reason, message: str) -> Finding:
    """Find that a condition is Unknown."""
    return Finding(kind, ConditionStatus.UNKNOWN, reason, message)
