"""Read termination messages of containers: JSON by the contract, or the last lines of a log."""

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
"""PostgreSQL's log_line_prefix: its time would make equal messages differ."""
_PROCESS_ID = re.compile(r"(xlogtemp\.|pgsql_tmp|\bpid[ =:]?|\bprocess )\d+", re.IGNORECASE)
"""Numbers of processes, which differ in each restart, and so would make a status change."""
_ERROR_LINE = re.compile(r"\b(PANIC|FATAL|ERROR|[A-Za-z.]*(Error|Exception):)")


def volume_full(text: str) -> bool:
    """Whether a text has the error of a full volume of the kernel, PostgreSQL or SQLite."""
    return any(words in text for words in _NO_SPACE)


def other_version(text: str) -> tuple[str, str] | None:
    """Return the PostgreSQL versions of the data and of the server; None if they match."""
    match = _OTHER_VERSION.search(text)
    return (match[1], match[2]) if match else None


def result(message: str) -> dict[str, Any]:
    """Return the JSON object of the contract: the message itself, or the last line of a log.

    Without one, it is `{"message": ...}` with the last line.
    """
    lines = message.strip().splitlines() or [""]
    for text in (message, lines[-1]):
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            return data
    return {"message": lines[-1][:1000]}


def termination_summary(message: str) -> str:
    """Return the most relevant line of a termination message; empty if the message is.

    Restarts that end for the same cause have the same summary.
    """
    data = result(message) if message.strip() else {}
    stripped = (_LOG_PREFIX.sub("", line.strip()) for line in message.splitlines())
    lines = [line for line in stripped if line]
    full = [line for line in lines if volume_full(line)]
    errors = [line for line in lines if _ERROR_LINE.search(line)]
    text = str(data.get("message") or data.get("event") or "")
    summary = text if set(data) - {"message"} else (full or errors or lines or [""])[-1]
    return _PROCESS_ID.sub(r"\1…", summary[:_LONGEST])
