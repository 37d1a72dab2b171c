"""A database's schema in a form that can be compared: all that matters, nothing that does not.

The order of a table's columns does not: one that was dropped and comes back is its last.
"""

import sqlite3
from contextlib import closing

from bookstore_api.uris.database import SqliteFile, parse_database_uri
from tests.support.postgres import query

POSTGRESQL = """
    WITH relations AS (
        SELECT c.oid, c.relname AS relation, c.relkind
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relname NOT LIKE 'alembic_version%'
    ), columns AS (
        SELECT relation, attname, format_type(atttypid, atttypmod), attnotnull,
               pg_get_expr(adbin, adrelid), collname
        FROM relations r JOIN pg_attribute ON attrelid = r.oid AND relkind = 'r'
        LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
        LEFT JOIN pg_collation l ON l.oid = attcollation
        WHERE attnum > 0 AND NOT attisdropped
    ), constraints AS (
        SELECT relation, conname, pg_get_constraintdef(k.oid), convalidated
        FROM relations r JOIN pg_constraint k ON conrelid = r.oid
    ), indexes AS (
        SELECT relation, pg_get_indexdef(indexrelid), indisvalid, indisready, indislive
        FROM relations r JOIN pg_index ON indrelid = r.oid
    )
    SELECT 'relation', to_json(relations)::jsonb - 'oid' FROM relations
    UNION ALL SELECT 'column', to_json(columns)::jsonb FROM columns
    UNION ALL SELECT 'constraint', to_json(constraints)::jsonb FROM constraints
    UNION ALL SELECT 'index', to_json(indexes)::jsonb FROM indexes
"""

Schema = frozenset[tuple[object, ...]]


def schema_of(url: str) -> Schema:
    """Describe every table, column, constraint and index of a database of either kind."""
    address = parse_database_uri(url)
    if isinstance(address, SqliteFile):
        with closing(sqlite3.connect(address.path, timeout=10)) as connection:
            return _of_sqlite(connection)
    return frozenset(query(url, POSTGRESQL))


def _of_sqlite(connection: sqlite3.Connection) -> Schema:
    parts: set[tuple[object, ...]] = set()
    tables = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"
    ).fetchall()
    for table, sql in tables:
        for _, *column in connection.execute(f"PRAGMA table_xinfo({table})"):
            parts.add(("column", table, *column))
        for _, number, *key in connection.execute(f"PRAGMA foreign_key_list({table})"):
            parts.add(("foreign key", table, number, *key))
        parts |= {("check", table, line) for line in _checks(sql)}
        for _, index, *flags in connection.execute(f"PRAGMA index_list({table})"):
            columns = connection.execute(f"PRAGMA index_info({index})").fetchall()
            names = tuple(name for _, _, name in columns)
            (text,) = connection.execute(
                "SELECT max(sql) FROM sqlite_master WHERE name = ?",
                [index],  # FTS5's have no row
            ).fetchone()
            parts.add(("index", table, index, *flags, names, text))
    return frozenset(parts)


def _checks(sql: str) -> list[str]:
    """Return the table's CHECK constraints, a line each in what Alembic writes."""
    lines = (line.strip().rstrip(",").replace('"', "") for line in sql.splitlines())
    return [line for line in lines if "CHECK" in line]
