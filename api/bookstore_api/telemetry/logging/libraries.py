"""What is kept of a library's message: its template, and numbers that only count.

A library may put anything into its text, a client's input too. Text without a template is left out
as well, but for the fixed words below. A line's `source` says which line of code wrote it.
"""

import logging
from collections.abc import Mapping
from typing import Any

LEFT_OUT = "…"
# A count, a port, a duration; not a number that stands for somebody, such as a card's or an ISBN.
MAX_PLAIN_NUMBER = 1_000_000
# What is kept of a text without a template that begins with it: asyncio's and uvicorn's.
_BEGINNINGS = (
    "ASGI callable returned without completing response.",
    "ASGI callable returned without starting response.",
    "Application shutdown failed. Exiting.", "Application startup failed. Exiting.",
    "Error on transport creation for incoming connection", "Exception in ASGI application",
    "Exception in callback", "Exception in default exception handler", "Fatal error",
    "Fatal read error", "Fatal write error", "Future exception was never retrieved",
    "Invalid HTTP request received.", "Task exception was never retrieved",
    "Task was destroyed but it is pending!", "Unhandled error in exception handler",
    "Unhandled exception in client_connected_cb", "Unhandled exception in event loop",
    "Unsupported upgrade request.", "socket.accept() out of system resource",
    "socket.send() raised exception.",
)  # fmt: skip


class _Hidden:
    """Stands for a value in a library's text."""

    def __repr__(self) -> str:
        return LEFT_OUT


def library_event(record: logging.LogRecord) -> str:
    """Return what a library logs, without the values in it."""
    template, args = record.msg, record.args
    if not isinstance(template, str):
        return f"({type(template).__name__})"
    # Alembic names revisions, SQLAlchemy's engine shows statements without their values.
    named = record.name.startswith("alembic.")
    if not args:
        whole = named or f"{record.name}.".startswith("sqlalchemy.engine.")
        return template if whole else next(filter(template.startswith, _BEGINNINGS), LEFT_OUT)
    try:
        return template % (args if named else _without_values(args))
    except (TypeError, ValueError, KeyError, ArithmeticError):
        return template


def _without_values(args: Any) -> Any:
    if isinstance(args, Mapping):
        return {name: _without_value(value) for name, value in args.items()}
    return tuple(map(_without_value, args))


def _without_value(value: Any) -> Any:
    plain = isinstance(value, int | float) and abs(value) < MAX_PLAIN_NUMBER
    return value if plain else _Hidden()
