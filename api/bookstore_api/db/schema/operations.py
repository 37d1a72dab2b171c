"""What a revision may do outside of a transaction, each so that a kill at any moment is mended.

PostgreSQL builds an index without stopping writers only outside of a transaction, and a table is
filled row by row only in many short ones. What such an operation has done so far stays when its
process is killed, and the revision runs again. So each of these first looks at what is there,
and a revision that uses one does nothing else (`migration_lint` holds it).

On SQLite, which has one writer anyway, they are plain statements in the migration's transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

from bookstore_api.db.schema.book_index import index_range
from bookstore_api.db.sort_text import to_sort_text

BATCH_ROWS = 1000


def create_index(
    name: str,
    table: str,
    columns: Sequence[str | sa.TextClause],
    *,
    unique: bool = False,
    where: str | None = None,
) -> None:
    """Build an index while the table is read and written; `where` makes it a partial one.

    What an earlier try left half built is dropped first: PostgreSQL keeps it, marked invalid, and
    `IF NOT EXISTS` would take it for the real one. Raises what the driver raises; a unique index
    that the rows don't allow is dropped again, as it would go on rejecting writes.
    """
    condition = None if where is None else sa.text(where)
    if _on_sqlite():
        op.create_index(name, table, columns, unique=unique, sqlite_where=condition)
        return
    with _one_by_one(), _for_as_long_as_it_takes():
        _drop_invalid_index(name)
        try:
            op.create_index(
                name,
                table,
                columns,
                unique=unique,
                if_not_exists=True,
                postgresql_concurrently=True,
                postgresql_where=condition,
            )
        except DBAPIError as error:
            if not error.connection_invalidated:
                with suppress(DBAPIError):  # the next try drops it
                    _drop_invalid_index(name)
            raise


def drop_index(name: str, table: str) -> None:
    """Drop an index while its table is read and written, where it still exists."""
    if _on_sqlite():
        op.drop_index(name, table)
        return
    with _one_by_one(), _for_as_long_as_it_takes():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def backfill(table: str, assignments: str, *, where: str, key: str = "id") -> None:
    """Update the rows that match, in the order of their key, a thousand in a transaction.

    Say in `where` which rows still lack the value, so that one run again goes on where it was
    killed, and that a row written meanwhile by the code that serves is left alone. All four are
    SQL, constants of the revision. Raises what the driver raises.
    """
    update = f"UPDATE {table} SET {assignments} WHERE ({where})"  # noqa: S608 - constants
    if _on_sqlite() or op.get_context().as_sql:
        op.execute(update)
        return
    with _one_by_one():
        connection = op.get_bind()
        for rows, values in _ranges(connection, table, key):
            connection.execute(sa.text(f"{update} AND {rows}"), values)


def recompute_sort_text(table: str, column: str, source: str, *, key: str = "id") -> None:
    """Write what this code sorts by where another version of it wrote something else.

    A row whose `source` is changed meanwhile is left alone: the code that changes it writes both.
    All four are names, constants of the revision. Raises what the driver raises.
    """
    if op.get_context().as_sql:
        return
    if _on_sqlite():
        _recompute(op.get_bind(), (table, column, source, key), "true", {})
        return
    with _one_by_one():
        connection = op.get_bind()
        for rows, values in _ranges(connection, table, key):
            _recompute(connection, (table, column, source, key), rows, values)


def index_books() -> None:
    """Write by which words and authors each book is found, where other code has not.

    That is code of before there were these, whose books have none, or those of an older version. A
    book that is changed meanwhile is left alone: the code that changes it writes them, too.
    Raises what the driver raises.
    """
    if op.get_context().as_sql:
        return
    if _on_sqlite():
        index_range(op.get_bind(), "true", {})
        return
    with _one_by_one():
        connection = op.get_bind()
        for rows, values in _ranges(connection, "books", "id"):
            index_range(connection, rows, values)


def _recompute(
    connection: sa.Connection,
    names: tuple[str, str, str, str],
    rows: str,
    values: dict[str, object],
) -> None:
    table, column, source, key = names
    select = f"SELECT {key}, {source}, {column} FROM {table} WHERE {rows}"  # noqa: S608 - constants
    update = (
        f"UPDATE {table} SET {column} = :new "  # noqa: S608 - constants
        f"WHERE {key} = :key AND {source} = :text AND {column} = :old"
    )
    changed = [
        {"key": id_, "text": text, "old": old, "new": new}
        for id_, text, old in connection.execute(sa.text(select), values)
        if (new := to_sort_text(text)) != old
    ]
    if changed:
        connection.execute(sa.text(update), changed)


def _ranges(
    connection: sa.Connection, table: str, key: str
) -> Iterator[tuple[str, dict[str, object]]]:
    """Split a table by its key, as it is while we go: each part a condition and its values."""
    after, values = "true", dict[str, object]()
    while True:
        select = f"SELECT {key} FROM {table} WHERE {after}"  # noqa: S608 - constants
        last = sa.text(f"{select} ORDER BY {key} OFFSET {BATCH_ROWS - 1} LIMIT 1")
        end = connection.scalar(last, values)
        if end is None:
            yield after, values
            return
        yield f"{after} AND {key} <= :end", values | {"end": end}
        after, values = f"{key} > :after", {"after": end}


def _on_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


@contextmanager
def _one_by_one() -> Iterator[None]:
    """Commit each statement by itself."""
    with op.get_context().autocommit_block():
        yield


@contextmanager
def _for_as_long_as_it_takes() -> Iterator[None]:
    """Lift the limits for a statement that waits in nobody's way; a try sets them again."""
    op.execute("SET lock_timeout = 0")
    op.execute("SET statement_timeout = 0")
    yield


def _drop_invalid_index(name: str) -> None:
    if op.get_context().as_sql:
        return
    invalid = sa.text(
        "SELECT true FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid"
    )
    if op.get_bind().scalar(invalid, {"name": name}):
        op.drop_index(name, if_exists=True, postgresql_concurrently=True)
