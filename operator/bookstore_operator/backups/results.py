"""What the tool bookstore-backup says in its termination message, read leniently.

Another version of it may say less, and a Pod may end with the last line of a log. So each fact is
None, or empty, if it is not there or of another type.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.spec.backup_target import BACKUP_NAME
from bookstore_operator.crd.text import QUOTE_LENGTH, REVISION_LENGTH, fit

DAMAGED = frozenset({"damaged", "content-differs"})
"""Codes that say that a backup is not what its manifest says."""
_MOST_REVISIONS = 20


@dataclass(frozen=True, slots=True)
class Stored:
    """A backup in the target."""

    name: str
    began_at: datetime | None = None
    completed_at: datetime | None = None
    size: int | None = None
    rows: int | None = None
    encrypted: bool = False
    schema_revisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """The newest backups in the target: name → state."""

    states: Mapping[str, str]
    sizes: Mapping[str, int]
    whole: bool
    """Whether these are all."""


def stored(result: Mapping[str, Any]) -> Stored | None:
    """Return the backup that a `create` has stored; None if the result names none."""
    summary = result.get("backup")
    data = summary if isinstance(summary, Mapping) else result
    name = backup_name(data.get("name"))
    if name is None:
        return None
    recipients = data.get("recipients")
    return Stored(
        name=name,
        began_at=_time(data.get("started")),
        completed_at=_time(data.get("completed")),
        size=_count(data.get("size")),
        rows=_count(data.get("rows")),
        encrypted=bool(recipients),
        schema_revisions=_revisions(data.get("schemaRevisions")),
    )


def listing(result: Mapping[str, Any]) -> Listing | None:
    """Return the newest backups in the target; None if the result has no list of them."""
    items = result.get("backups")
    if not isinstance(items, list):
        return None
    states = {
        name: str(item.get("state"))
        for item in items
        if isinstance(item, Mapping) and (name := backup_name(item.get("name")))
    }
    total = result.get("total")
    sizes = {
        str(item.get("name")): size
        for item in items
        if isinstance(item, Mapping) and (size := _count(item.get("size"))) is not None
    }
    return Listing(states, sizes, whole=isinstance(total, int) and total <= len(items))


def message(result: Mapping[str, Any]) -> str:
    """Return the message for people; empty if there is none."""
    return fit(str(result.get("message") or ""), QUOTE_LENGTH)


def code(result: Mapping[str, Any]) -> str:
    """Return the code; empty if there is none."""
    return str(result.get("code") or "")


def began_at(name: str) -> datetime | None:
    """Return when a backup began, which is the front of its name; None if that is no time."""
    try:
        return datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def seconds(result: Mapping[str, Any], name: str) -> float | None:
    """Return a measured time in seconds; None if there is none."""
    value = result.get(name)
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e12 else None


def backup_name(value: object) -> str | None:
    """Return a backup's name; None if a value is none."""
    return value if isinstance(value, str) and re.match(BACKUP_NAME, value) else None


def _count(value: object) -> int | None:
    """Return a number of things; None if a value is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**63 else None


def _revisions(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    texts = (fit(item, REVISION_LENGTH) for item in items if isinstance(item, str))
    return tuple(texts)[:_MOST_REVISIONS]


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
