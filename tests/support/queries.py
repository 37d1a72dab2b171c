"""Which statements this process sends to its databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from bookstore_api.telemetry.request_state import current


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Record every statement for a request in the block, of any engine.

    What the process does beside requests, such as health checks and mails, is of no request.
    """
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if current() is not None:
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
