"""Connections to the database, and the same connection for the client tools."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Json

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model import problems

Connection = psycopg.Connection[tuple[Any, ...]]
_DRIVER = re.compile(r"^(postgres(?:ql)?)\+[a-z0-9]+://")
# So that a machine that vanished is noticed within a minute.
_LIMITS: dict[str, str] = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# A backup's session waits for pg_dump, and an administrator's limits are not meant for that. The
# other settings decide how values are written as text, which the checksums are of.
_SESSION = {
    "statement_timeout": "0",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "client_connection_check_interval": "2s",
    "search_path": "pg_catalog",
    "row_security": "off",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmloption": "content",
}
_SET = (
    "SELECT set_config(s.name, CAST(%s AS json) ->> s.name, false) FROM pg_settings s "
    "WHERE CAST(%s AS json) ->> s.name IS NOT NULL"
)


@dataclass(frozen=True)
class Database:
    """How to reach a database, as libpq's parameters. The password shows nowhere."""

    parameters: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, uri: str) -> "Database":
        """Return the database of a URI or a connection string; raises BackupError."""
        try:
            given = conninfo_to_dict(_DRIVER.sub(r"\1://", uri.strip()))
        except psycopg.Error as error:
            raise BackupError(
                Code.USAGE, f"The database URI can't be read: {problems.clean(str(error))}."
            ) from error
        parameters = {name: str(value) for name, value in given.items() if value is not None}
        return cls({**_LIMITS, **parameters})

    @property
    def where(self) -> str:
        """The database in words."""
        host = self.parameters.get("host") or self.parameters.get("hostaddr") or "the local socket"
        return f'the database "{self.name}" at {host}'

    @property
    def name(self) -> str:
        """The name of the database."""
        return self.parameters.get("dbname") or self.parameters.get("user") or ""

    def named(self, database: str) -> "Database":
        """Return another database of the same server."""
        return Database({**self.parameters, "dbname": database})

    def program_arguments(self) -> tuple[str, dict[str, str]]:
        """Return `--dbname` for a client tool, and its environment, which has the password."""
        shown = {name: text for name, text in self.parameters.items() if name != "password"}
        environment = {**os.environ, "PGAPPNAME": "bookstore-backup", "LC_ALL": "C"}
        if "password" in self.parameters:
            environment["PGPASSWORD"] = self.parameters["password"]
        return make_conninfo(**shown), environment


@contextmanager
def connected(database: Database) -> Iterator[Connection]:
    """Open a connection for the block; errors of the server become BackupErrors."""
    with reported(f"Connecting to {database.where}"):
        connection = psycopg.connect(
            make_conninfo(**{**database.parameters, "application_name": "bookstore-backup"}),
            autocommit=True,
            prepare_threshold=None,
        )
    try:
        with reported(f"Asking {database.where}"):
            _set_session(connection)
        yield connection
    finally:
        connection.close()


@contextmanager
def reported(doing: str) -> Iterator[None]:
    """Turn the errors of the block's statements into BackupErrors."""
    try:
        yield
    except psycopg.Error as error:
        raise problems.of_database(doing, str(error), error.sqlstate) from error


def fetch(connection: Connection, sql: Any, *arguments: object) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    return connection.execute(sql, arguments or None).fetchall()


def fetch_value(connection: Connection, sql: Any, *arguments: object) -> Any:
    """Return the first value of a statement that has a row."""
    return fetch(connection, sql, *arguments)[0][0]


def _set_session(connection: Connection) -> None:
    """Set what this server knows of the session's settings."""
    settings = Json(_SESSION)
    connection.execute(_SET, (settings, settings))
