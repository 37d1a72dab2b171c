"""Logs: one line per record, as JSON for machines or as plain text for people."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_FIELDS = ("store", "object", "reason")
"""The fields that a record may have besides its message."""


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record with its time in UTC, its level, its logger and its fields."""
        line = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields_of(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """Formats a record as time, level, BookStore, object and message."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as plain text."""
        fields = _fields_of(record)
        about = " ".join(fields[name] for name in ("store", "object") if name in fields)
        reason = f" ({fields['reason']})" if "reason" in fields else ""
        parts = [_time_of(record)[11:19], f"{record.levelname:<7}", about, record.getMessage()]
        line = " ".join(part for part in parts if part) + reason
        return line + "\n" + self.formatException(record.exc_info) if record.exc_info else line


def configure(log_format: str, level: str) -> None:
    """Send all logs to standard error; libraries log from level WARNING only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else ConsoleFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for chatty in ("kopf", "asyncio", "aiohttp", "kubernetes"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    for repeated in ("running", "orchestration"):  # the operator logs the same in one line
        logging.getLogger(f"kopf._core.reactor.{repeated}").setLevel(logging.CRITICAL)


def _time_of(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields_of(record: logging.LogRecord) -> dict[str, str]:
    return {name: str(getattr(record, name)) for name in _FIELDS if hasattr(record, name)}
