"""A database for one drill, with the locale of the one that was backed up."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from bookstore_backup.model.manifest import Server
from bookstore_backup.postgres.connection import Connection, Database, connected, fetch, reported

PREFIX = "bookstore_drill_"


@contextmanager
def drill_database(
    server: Database, like: Server, kept_as: str | None = None
) -> Iterator[Database]:
    """Create a database for the block and drop it, and those that earlier drills left behind.

    With a name, which begins with PREFIX, it is kept under that if the block raises nothing.
    """
    name = kept_as or PREFIX + secrets.token_hex(6)
    with connected(server) as connection, reported(f"Creating a database at {server.where}"):
        _drop_unused(connection)
        connection.execute(_statement(name, like, _major(connection)))
    keep = False
    try:
        yield server.named(name)
        keep = kept_as is not None
    finally:
        if not keep:
            _drop_at(server, name)


def _drop_at(server: Database, name: str) -> None:
    with connected(server) as connection, reported(f"Dropping the database {name}"):
        _drop(connection, name)


def _drop_unused(connection: Connection) -> None:
    """Drop the databases of drills that nobody is connected to."""
    unused = (
        "SELECT datname FROM pg_database d WHERE starts_with(datname, %s) AND NOT EXISTS "
        "(SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)"
    )
    for row in fetch(connection, unused, PREFIX):
        _drop(connection, row[0])


def _drop(connection: Connection, name: str) -> None:
    query = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    connection.execute(query.format(sql.Identifier(name)))


def _statement(name: str, like: Server, major: int) -> sql.Composed:
    """Return the CREATE DATABASE; the words for a locale depend on provider and version."""
    collation = like.collation
    options = [
        ("ENCODING", like.encoding),
        ("LC_COLLATE", collation.collate),
        ("LC_CTYPE", collation.ctype),
    ]
    if major >= 15 and collation.provider in {"icu", "builtin"}:
        options.append(("LOCALE_PROVIDER", collation.provider))
        word = "ICU_LOCALE" if collation.provider == "icu" else "BUILTIN_LOCALE"
        options.append((word, collation.locale or "C.UTF-8"))
    elif major >= 15:
        options.append(("LOCALE_PROVIDER", "libc"))
    parts = [sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))]
    parts += [sql.SQL(f"{word} {{}}").format(sql.Literal(value)) for word, value in options]
    return sql.SQL(" ").join(parts)


def _major(connection: Connection) -> int:
    return connection.info.server_version // 10000
