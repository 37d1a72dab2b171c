"""Makes and writes each line, and holds back what the schema does not name.

Our own lines come through structlog, those of libraries through `logging`: both end in `_Lines`.
"""

import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, TextIO

import structlog

from bookstore_api.settings import Environment, Settings
from bookstore_api.telemetry import pseudonyms, trace_context
from bookstore_api.telemetry.logging.fields import load_checks
from bookstore_api.telemetry.logging.libraries import LEFT_OUT, library_event
from bookstore_api.telemetry.logging.tracebacks import describe_exception, name_of, short_path

# Loggers whose lines below warning say nothing that ours do not.
QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "httpx", "httpcore", "aiosqlite", "asyncio")
MAX_EVENT = 1000

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
# What only `_Lines` itself says of a line.
_OWN_FIELDS = ("time", "level", "event", "logger", "exception", "dropped")

Render = Callable[[dict[str, Any]], str]
_encode = json.JSONEncoder(check_circular=False, allow_nan=False).encode


def configure_logging(settings: Settings, *, stream: TextIO) -> None:
    """Send all log lines to `stream`, as the settings say."""
    # As it is at the start: within one process's life, a client keeps its pseudonym.
    pseudonyms.derive_key(settings.staff_token.get_secret_value() if settings.staff_token else None)
    _Output.lines = _Lines(settings, stream)
    root = logging.getLogger()
    root.handlers = [_LibraryHandler()]
    root.setLevel(settings.log_level.upper())
    # What breaks a line is told in a line, not in Python's own words, which show the values.
    logging.raiseExceptions = False
    for name in QUIET:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(max(logging.WARNING, root.level))
    # Below that it would show rows.
    logging.getLogger("sqlalchemy.engine").setLevel(max(logging.INFO, root.level))
    structlog.configure(
        processors=[],
        logger_factory=_Output,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class _Lines:
    """Makes and writes lines, the same way whoever they are from."""

    def __init__(self, settings: Settings, stream: TextIO) -> None:
        self.threshold = _LEVELS[settings.log_level]
        self._stream = stream
        self._lock = threading.RLock()  # a signal's handler may log while its own thread does
        self._clock = _Clock()
        self._identity = {
            name: value
            for name, value in (("revision", settings.revision), ("colour", settings.colour))
            if value
        }
        self._checks = {
            name: check for name, check in load_checks().items() if name not in _OWN_FIELDS
        }
        for_eyes = _for_eyes(settings, stream)
        self._render: Render = _console_renderer(stream) if for_eyes else _encode
        development = settings.debug and settings.environment is Environment.DEVELOPMENT
        private = development and for_eyes and stream.isatty()  # nothing keeps what it shows
        self._describe = _with_values if private else _describe

    def write(
        self,
        logger: str,
        level: str,
        event: object,
        fields: Mapping[str, Any],
        error: BaseException | None,
    ) -> None:
        """Write a line; what the schema does not allow is held back, and counted."""
        line: dict[str, Any] = {
            "time": self._clock.now(),
            "level": level,
            "event": _one_line(event) if isinstance(event, str) else f"({type(event).__name__})",
            "logger": _logger_name(logger),
        }
        if (context := trace_context.current()) is not None:
            line.update(context.fields)
        line.update(self._identity)
        dropped = 0
        for name, value in fields.items():
            check = self._checks.get(name)
            if check is not None and check(value):
                line[name] = value
            elif value is not None:
                dropped += 1
        if dropped:
            line["dropped"] = dropped
        if error is not None:
            line["exception"] = self._describe(error)
        self._print(self._render(line))

    def _print(self, line: str) -> None:
        try:
            with self._lock:
                self._stream.write(line + "\n")
                self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads it any more, or the disk is full: no reason to fail a request


class _Clock:
    """The time as RFC 3339 says it, the part down to the second made once a second."""

    def __init__(self) -> None:
        self._latest = (0, "")

    def now(self) -> str:
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        known, text = self._latest
        if seconds != known:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
            self._latest = (seconds, text)
        return f"{text}.{nanoseconds // 1000:06d}Z"


class _Output:
    """What structlog hands a line to, whichever configuration came last."""

    lines: _Lines

    def __init__(self, name: str | None = None) -> None:
        self._name = name or "root"
        self.debug, self.info, self.warning, self.error, self.critical = (
            partial(self._tell, level, number) for level, number in _LEVELS.items()
        )
        self.exception = self.error

    def _tell(
        self, level: str, number: int, /, *, event: Any = None, exc_info: Any = None, **fields: Any
    ) -> None:
        lines = self.lines
        if number >= lines.threshold:
            lines.write(self._name, level, event, fields, _error_of(exc_info))


class _LibraryHandler(logging.Handler):
    """Takes what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line: the library's words, without what they are about."""
        _Output.lines.write(
            record.name,
            _level_of(record.levelno),
            library_event(record),
            {"source": f"{short_path(record.pathname)}:{record.lineno}"},
            _error_of(record.exc_info),
        )


def _error_of(exc_info: Any) -> BaseException | None:
    """Find the exception in whatever `exc_info` may be."""
    if not exc_info or isinstance(exc_info, BaseException):
        return exc_info or None
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1]


def _level_of(number: int) -> str:
    return next((name for name, least in reversed(_LEVELS.items()) if number >= least), "debug")


@lru_cache(maxsize=1024)
def _one_line(text: str) -> str:
    """Make a text fit to be an event."""
    return _CONTROL.sub(" ", text).strip()[:MAX_EVENT] or LEFT_OUT


@lru_cache(maxsize=1024)
def _logger_name(name: str) -> str:
    return name if load_checks()["logger"](name) else "unnamed"


def _describe(error: BaseException) -> str:
    try:
        return describe_exception(error)
    except Exception:  # noqa: BLE001 - an exception may have any code in it; the line matters more
        return name_of(error)


def _with_values(error: BaseException) -> str:
    """Show all, to who debugs on a terminal of their own."""
    return "".join(traceback.format_exception(error)).rstrip()


def _for_eyes(settings: Settings, stream: TextIO) -> bool:
    """Whether lines are for people rather than for programs."""
    if settings.log_format is None:
        return not settings.production and stream.isatty()
    return settings.log_format == "console"


def _console_renderer(stream: TextIO) -> Render:
    renderer = structlog.dev.ConsoleRenderer(
        timestamp_key="time", colors=stream.isatty(), sort_keys=False
    )
    return lambda line: renderer(None, "", line)
