"""Makes and writes each line: our own come through structlog, those of libraries by `logging`."""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import structlog
from pydantic_core import to_json

from bookstore_api.settings import Environment, Settings
from bookstore_api.telemetry import pseudonyms, request_state
from bookstore_api.telemetry.logging.libraries import LEFT_OUT, library_event
from bookstore_api.telemetry.logging.schema import hold_back, make_validator
from bookstore_api.telemetry.logging.sink import Sink
from bookstore_api.telemetry.logging.tracebacks import describe_exception, short_path

# Loggers whose lines below warning say nothing that ours do not.
QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "httpx", "httpcore", "aiosqlite", "asyncio")
MAX_EVENT = 1000

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")

Line = dict[str, Any]


def configure_logging(settings: Settings, *, stream: TextIO) -> None:
    """Send all log lines to `stream`, as the settings say."""
    # As it is at the start: within one process's life, a client keeps its pseudonym.
    pseudonyms.derive_key(settings.staff_token.get_secret_value() if settings.staff_token else None)
    Logger.output = Output(settings, stream)
    root = logging.getLogger()
    # At `info` a line is ours. Libraries log what they do at that level, SQLAlchemy each statement.
    threshold = _LEVELS[settings.log_level]
    level = threshold if threshold < logging.INFO else max(logging.WARNING, threshold)
    # The handler's level holds for a library that sets a level of its own, too.
    root.handlers = [_LibraryHandler(level)]
    root.setLevel(level)
    # What breaks a line is reported in a line, not in Python's own words, which show the values.
    logging.raiseExceptions = False
    for name in QUIET:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(max(logging.WARNING, root.level))
    # Below that it would show rows.
    logging.getLogger("sqlalchemy.engine").setLevel(max(logging.INFO, root.level))
    structlog.configure(wrapper_class=Logger, logger_factory=str, cache_logger_on_first_use=True)


class Output:
    """Makes and writes lines, ours and those of libraries."""

    def __init__(self, settings: Settings, stream: TextIO) -> None:
        self.threshold = _LEVELS[settings.log_level]
        self._sink = Sink(stream)
        self._lock = threading.RLock()  # a signal's handler may log while its own thread does
        identity = {"revision": settings.revision, "color": settings.color}
        self._identity = {name: value for name, value in identity.items() if value}
        # Only development leaves the format to the stream.
        log_format = settings.log_format or ("console" if stream.isatty() else "json")
        for_people = log_format == "console"
        self.as_json = not for_people
        self.identity = f",{_to_json(self._identity)[1:-1]}" if self._identity else ""
        """What each line has of the process, as it follows other fields in JSON."""
        self._render = _console_renderer(stream) if for_people else _to_json
        development = settings.debug and settings.environment is Environment.DEVELOPMENT
        private = development and for_people and stream.isatty()  # nothing keeps what it shows
        self._describe = _with_values if private else describe_exception

    def write(
        self, logger: str, level: str, event: object, fields: Mapping[str, Any], exc_info: object
    ) -> None:
        """Write a line; what the schema does not allow is held back, and counted."""
        state = request_state.current()
        line: Line = {
            "time": f"{datetime.now(UTC).isoformat(timespec='microseconds')[:26]}Z",
            "level": level,
            "event": _one_line(event) if isinstance(event, str) else f"({type(event).__name__})",
            "logger": _logger_name(logger),
            **(state.fields if state else {}),
            **self._identity,
            **hold_back(fields),
        }
        error = exc_info if isinstance(exc_info, BaseException) else sys.exception()
        if exc_info and error is not None:
            line["exception"] = self._describe(error)
        try:
            text = self._render(line) + "\n"
        except ValueError:
            return  # no reason to fail a request
        self.write_text(text)

    def writes(self, level: str) -> bool:
        """Whether lines of this level are written."""
        return _LEVELS[level] >= self.threshold

    def write_text(self, text: str) -> None:
        """Write a line that is made."""
        try:
            with self._lock:
                self._sink.write(text)
                lost = self._sink.take_lost()
        except (OSError, ValueError):
            return  # nobody reads it any more, or the disk is full: no reason to fail a request
        if lost:
            self.write(
                __name__, "warning", f"log lines lost, as nobody read them: {lost}", {}, None
            )


def _method(level: str, *, in_handler: bool = False) -> Callable[..., None]:
    number = _LEVELS[level]

    def log(self: "Logger", event: object, *, exc_info: object = in_handler, **fields: Any) -> None:
        if number >= self.output.threshold:
            self.output.write(self._logger, level, event, fields, exc_info)

    return log


class Logger(structlog.BoundLoggerBase):
    """What structlog gives our code: asks the level first, then hands all to the output."""

    output: Output  # of the configuration that came last

    debug, info, warning, error, critical = map(_method, _LEVELS)
    exception = _method("error", in_handler=True)


class _LibraryHandler(logging.Handler):
    """Takes what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line: the library's words, without the values in them."""
        fields = {"source": f"{short_path(record.pathname)}:{record.lineno}"}
        level = ["debug", *(name for name in _LEVELS if record.levelno >= _LEVELS[name])][-1]
        error = record.exc_info[1] if record.exc_info else None
        Logger.output.write(record.name, level, library_event(record), fields, error)


@lru_cache(maxsize=1024)
def _one_line(text: str) -> str:
    """Make a text fit to be an event."""
    text = text.encode("utf-8", "replace").decode()
    return _CONTROL.sub(" ", text).strip()[:MAX_EVENT] or LEFT_OUT


@lru_cache(maxsize=1024)
def _logger_name(name: str) -> str:
    return name if make_validator().isinstance_python({"logger": name}) else "unnamed"


def _to_json(line: Line) -> str:
    # ASCII: some readers end a line at U+0085 and U+2028 as well.
    return to_json(line, ensure_ascii=True).decode()


def _with_values(error: BaseException) -> str:
    """Show all, to who debugs on a terminal of their own."""
    return "".join(traceback.format_exception(error)).rstrip()


def _console_renderer(stream: TextIO) -> Callable[[Line], str]:
    renderer = structlog.dev.ConsoleRenderer(
        timestamp_key="time", colors=stream.isatty(), sort_keys=False
    )
    return lambda line: renderer(None, "", line)
