"""What is stored, read as well as it can be: one odd row must not fail every list that it is in.

SQLite has no types of columns, only preferences: a date may be any text, number or bytes there.
PostgreSQL's JSON may be nested deeper than Python reads.
"""

import json
from datetime import UTC, date, datetime
from typing import Any

UNKNOWN_TIME = datetime.min.replace(tzinfo=UTC)


def read_text(value: Any) -> Any:
    """Return text that can be sent, whatever is stored; None for None."""
    if value is None or type(value) is int:
        return value if value is None else str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value).encode("utf-8", "replace").decode("utf-8")


def read_date(value: Any) -> date | None:
    """Return a date, also that of a time; None for what is neither."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def read_time(value: Any) -> datetime | None:
    """Return a time in UTC, the earliest one for what is no time; None for None."""
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(str(value))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return UNKNOWN_TIME


def read_json(value: Any) -> Any:
    """Return what a column of JSON has; what is no JSON is read as a text."""
    if not isinstance(value, str | bytes):
        return value  # None, or a number that SQLite has made of the text
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return read_text(value)
