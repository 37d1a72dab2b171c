"""Logs: one line per record, as JSON by the schema of all log lines or as plain text for people."""

import logging
import sys

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict

_FIELDS = ("store", "object", "reason")
"""The fields that a record may have besides its message."""
_MAX_EVENT = 1000
_MAX_EXCEPTION = 16_000


def configure(log_format: str, level: str) -> None:
    """Send all logs to standard error; libraries log from level WARNING only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(make_formatter(log_format))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)
    for chatty in ("kopf", "asyncio", "aiohttp", "kubernetes"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    for repeated in ("running", "orchestration"):  # the operator logs the same in one line
        logging.getLogger(f"kopf._core.reactor.{repeated}").setLevel(logging.CRITICAL)


def make_formatter(log_format: str) -> logging.Formatter:
    """Return what makes a line out of a record: JSON, or text for people."""
    as_json = structlog.processors.JSONRenderer()  # in ASCII: some readers end a line at U+2028
    return ProcessorFormatter(
        processors=[
            structlog.processors.TimeStamper("%Y-%m-%dT%H:%M:%S.%fZ", utc=True, key="time"),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(_FIELDS),
            structlog.processors.format_exc_info,
            _keep_schema,
            as_json if log_format == "json" else _as_text,
        ]
    )


def _keep_schema(_logger: object, _method: str, entry: EventDict) -> EventDict:
    """Return the fields of the schema in its order: the event in one line, nothing too long."""
    event = " ".join(entry["event"].split()).translate(_WITHOUT_CONTROL)[:_MAX_EVENT]
    line: EventDict = {
        "time": entry["time"],
        "level": entry["level"],
        "event": event or "…",
        "logger": entry["logger"],
        **{name: str(entry[name]) for name in _FIELDS if entry.get(name)},
    }
    if exception := entry.get("exception"):
        line["exception"] = exception[-_MAX_EXCEPTION:]  # its end says what went wrong
    return line


_WITHOUT_CONTROL = dict.fromkeys([*range(0x20), 0x7F])


def _as_text(_logger: object, _method: str, line: EventDict) -> str:
    """Return time, level, BookStore, object and message."""
    about = " ".join(line[name] for name in ("store", "object") if name in line)
    reason = f" ({line['reason']})" if "reason" in line else ""
    parts = [line["time"][11:19], f"{line['level'].upper():<7}", about, line["event"]]
    text = " ".join(part for part in parts if part) + reason
    return f"{text}\n{line['exception']}" if "exception" in line else text
