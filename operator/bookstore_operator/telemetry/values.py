"""Read values of objects that others may have written into; None for one of another type."""

from datetime import UTC, datetime

from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.base import parse_time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number(value: object) -> float | None:
    """Return a number; None if it is none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def timestamp(value: object) -> float | None:
    """Return a time in seconds since 1970, not before that; None if it is no time."""
    if not isinstance(value, str):
        return None
    try:
        return max(0.0, (parse_time(value) - _EPOCH).total_seconds())
    except ValueError:
        return None


def mapping(value: object) -> Manifest:
    """Return an object's part; empty if it is none."""
    return value if isinstance(value, dict) else {}
