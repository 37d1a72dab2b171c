"""What of a library's own text is let out.

A library may put anything into its text, a client's input too. Its template is let out, with
numbers that only count filled in. Text without a template is let out as far as it is known to be
the same whatever it is about; a line's `source` tells where the rest can be read.
"""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

LEFT_OUT = "…"
# A count, a port, a duration; not a number that stands for somebody, such as a card's or an ISBN.
MAX_PLAIN_NUMBER = 1_000_000
_LEADING_WORDS = re.compile(r"[A-Za-z][A-Za-z ,.-]*")


def library_event(record: logging.LogRecord) -> str:
    """Say what a library says, without what it is about."""
    message = record.msg
    if not isinstance(message, str):
        return f"({type(message).__name__})"
    if not record.args:
        return _ready_made(record.name)(message)
    # Alembic tells of revisions and statements' names, nothing else.
    args = record.args if _is_of("alembic", record.name) else _without_values(record.args)
    try:
        return message % args
    except (TypeError, ValueError, KeyError, ArithmeticError):
        return message  # the template itself


def _first_line(text: str) -> str:
    """All of uvicorn's are constants, but for a traceback that Starlette gives it as a text."""
    return text.partition("\n")[0]


def _leading_words(text: str) -> str:
    """Objects follow in brackets or quotes."""
    found = _LEADING_WORDS.match(text)
    return found[0] if found else LEFT_OUT


def _asyncio_words(text: str) -> str:
    """Of a callback that failed, asyncio shows the arguments."""
    callback = "Exception in callback"
    return callback if text.startswith(callback) else _leading_words(_first_line(text))


_READY_MADE: dict[str, Callable[[str], str]] = {
    "alembic": str,
    "asyncio": _asyncio_words,
    "sqlalchemy.engine": str,  # statements, with placeholders for the values
    "sqlalchemy": _leading_words,
    "uvicorn": _first_line,
}


def _ready_made(logger: str) -> Callable[[str], str]:
    known = (keep for family, keep in _READY_MADE.items() if _is_of(family, logger))
    return next(known, lambda _text: LEFT_OUT)


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
