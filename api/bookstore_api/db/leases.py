"""What is due in a table, taken one row at a time, for as long as a lease."""

from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import ColumnElement, select, update

from bookstore_api.db.orm import Base
from bookstore_api.db.sessions import WriteSession

Row = TypeVar("Row", bound=Base)


async def claim(
    session: WriteSession,
    table: type[Row],
    is_open: ColumnElement[bool],
    now: datetime,
    lease: timedelta,
) -> Row | None:
    """Take the open row that is due the longest, for the time of the lease; None if none is due.

    Until the lease is over nobody else takes it. What others are taking is skipped. The table has
    the columns `id`, `due_at` and `attempts`.
    """
    columns = table.__table__.c
    due = (
        select(columns.id)
        .where(is_open, columns.due_at <= now)
        .order_by(columns.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    taken = (
        update(table)
        # Not IN: PostgreSQL may evaluate that for each row, and take as many.
        .where(columns.id == due, is_open)
        .values(due_at=now + lease, attempts=columns.attempts + 1)
        .returning(table)
    )
    return await session.scalar(taken.execution_options(synchronize_session=False))
