"""What containers said when they ended, by the contract or in the last lines of a log."""

from __future__ import annotations

import json
import re
from typing import Any

_LONGEST = 500
_NO_SPACE = ("No space left on device", "disk is full", "Disk quota exceeded")
_OTHER_VERSION = re.compile(
    r"initialized by PostgreSQL version (\S+), "
    r"which is not compatible with this version (\d[\w.]*\w)"
)
_LOG_PREFIX = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \S+ \[\d+\] ")
"""What PostgreSQL puts before each line: its time would make the same words new each time."""
_WORTH_TELLING = re.compile(r"\b(PANIC|FATAL|ERROR|[A-Za-z.]*(Error|Exception):)")


def volume_full(text: str) -> bool:
    """Whether an error is that of a full volume, as the kernel, PostgreSQL and SQLite tell it."""
    return any(words in text for words in _NO_SPACE)


def other_version(text: str) -> tuple[str, str] | None:
    """Return the major version that made the data, and that of the server, where they differ."""
    found = _OTHER_VERSION.search(text)
    return (found[1], found[2]) if found else None


def result(message: str) -> dict[str, Any]:
    """Read the JSON object of the contract: the message itself, or the last line of a log."""
    lines = message.strip().splitlines() or [""]
    for text in (message, lines[-1]):
        try:
            told = json.loads(text)
        except ValueError:
            continue
        if isinstance(told, dict):
            return told
    return {"message": lines[-1][:1000]}


def termination_summary(message: str) -> str:
    """Return the line of a termination message that says most about why a container ended."""
    told = result(message) if message.strip() else {}
    stripped = (_LOG_PREFIX.sub("", line.strip()) for line in message.splitlines())
    lines = [line for line in stripped if line]
    full = [line for line in lines if volume_full(line)]
    bad = [line for line in lines if _WORTH_TELLING.search(line)]
    said = str(told.get("message") or told.get("event") or "")
    best = said if set(told) - {"message"} else (full or bad or lines or [""])[-1]
    return best[:_LONGEST]
