"""Which statements this process sends to its databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

POLLED = (
    *("outbox_messages", "UPDATE payments SET due_at"),
    *("alembic_version", "SELECT 'off'", "transaction_read_only"),  # health checks
)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Record every statement of the block, of any engine, but those of pollers."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        # What each process looks for from time to time is of no request.
        if not any(table in statement for table in POLLED):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
