"""What of a library's own text is let out.

A library may put anything into its text, a client's input too. Its template is let out, with
numbers that only count filled in. Text without a template is let out where it stands word for word
in the source of who wrote it: then it is the same whatever it is about. A line's `source` tells
where the rest can be read.
"""

import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

LEFT_OUT = "…"
# A count, a port, a duration; not a number that stands for somebody, such as a card's or an ISBN.
MAX_PLAIN_NUMBER = 1_000_000
MAX_READY_MADE = 1000
# asyncio makes its texts in one place and logs them in another, with objects after these words.
_ASYNCIO_WORDS = (
    "Error on transport creation for incoming connection",
    "Exception in callback",
    "Exception in default exception handler",
    "Fatal error",
    "Fatal read error",
    "Fatal write error",
    "Future exception was never retrieved",
    "Task exception was never retrieved",
    "Task was destroyed but it is pending!",
    "Unhandled error in exception handler",
    "Unhandled exception in client_connected_cb",
    "Unhandled exception in event loop",
    "socket.accept() out of system resource",
)


def library_event(record: logging.LogRecord) -> str:
    """Say what a library says, without what it is about."""
    message = record.msg
    if not isinstance(message, str):
        return f"({type(message).__name__})"
    if not record.args:
        return _ready_made(message, record)
    # Alembic tells of revisions and statements' names, nothing else.
    args = record.args if _is_of("alembic", record.name) else _without_values(record.args)
    try:
        return message % args
    except (TypeError, ValueError, KeyError, ArithmeticError):
        return message  # the template itself


def _ready_made(text: str, record: logging.LogRecord) -> str:
    """Return as much of a text without a template as its writer always says."""
    if _is_of("sqlalchemy.engine", record.name):
        return text  # statements, with placeholders for the values
    if _is_of("asyncio", record.name):
        return next((words for words in _ASYNCIO_WORDS if text.startswith(words)), LEFT_OUT)
    line = text.strip()
    # A single word may stand anywhere by chance.
    always_said = " " in line and len(line) <= MAX_READY_MADE and line in _source(record.pathname)
    return line if always_said else LEFT_OUT


@lru_cache(maxsize=64)
def _source(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _is_of(family: str, logger: str) -> bool:
    return f"{logger}.".startswith(f"{family}.")


class _Hidden:
    """Stands for a value in a library's text."""

    def __repr__(self) -> str:
        return LEFT_OUT


def _without_values(args: Any) -> Any:
    if isinstance(args, Mapping):
        return {name: _without_value(value) for name, value in args.items()}
    return tuple(map(_without_value, args))


def _without_value(value: Any) -> Any:
    plain = isinstance(value, int | float) and abs(value) < MAX_PLAIN_NUMBER
    return value if plain else _Hidden()
