"""One JSON object a line for every log line of the process, uvicorn's and Alembic's included."""

import logging
import re
from collections.abc import Callable
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from bookstore_api.settings import Settings

SERVER_DETAIL = re.compile(r"^DETAIL:.*$", re.MULTILINE)
# Loggers whose lines below warning say nothing that ours do not.
QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "httpx", "httpcore", "aiosqlite", "asyncio")


def configure_logging(settings: Settings, *, stream: TextIO) -> None:
    """Send all log lines to `stream`, as the settings say."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _add_identity(settings),
    ]
    # Plain tracebacks: structlog's own for eyes take seconds and show variables with their values.
    last: list[Processor] = [
        structlog.processors.format_exc_info,
        _leave_out_values,
        structlog.dev.ConsoleRenderer(timestamp_key="time")
        if _for_eyes(settings, stream)
        else structlog.processors.JSONRenderer(),
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow=())],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in QUIET:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _for_eyes(settings: Settings, stream: TextIO) -> bool:
    """Whether lines are for people rather than for programs."""
    if settings.log_format is None:
        return not settings.production and stream.isatty()
    return settings.log_format == "console"


def _leave_out_values(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Cut PostgreSQL's DETAIL out of tracebacks: it shows the rows that an error is about."""
    if isinstance(traceback := event.get("exception"), str):
        event["exception"] = SERVER_DETAIL.sub("DETAIL: (left out)", traceback)
    return event


def _add_identity(settings: Settings) -> Callable[[Any, str, EventDict], EventDict]:
    """Put the revision and the colour, where there are any, into each line."""
    identity = {
        name: value
        for name, value in (("revision", settings.revision), ("colour", settings.colour))
        if value
    }

    def add(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event.update(identity)
        return event

    return add
