"""INSERT … ON CONFLICT, which both databases have, in the one form that they share."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite

from bookstore_api.db.orm import Base
from bookstore_api.db.sessions import WriteSession


async def insert_if_absent(
    session: WriteSession, table: type[Base], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert the rows whose key or unique columns no other row has; leave the others as they are.

    It waits for a transaction that has inserted the same and is not committed yet.
    """
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    await session.execute(insert(table).on_conflict_do_nothing(), list(rows))
