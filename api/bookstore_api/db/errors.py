"""Explain why the database could not be used, without the text of any statement."""

import errno
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from types import MappingProxyType

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from bookstore_api.db import sqlstates
from bookstore_api.db.sqlstates import Failure
from bookstore_api.db.tls_errors import explain_tls

_SQLITE = MappingProxyType(
    {
        "SQLITE_BUSY": Failure("busy", "Another process holds the lock of the SQLite file."),
        "SQLITE_LOCKED": Failure("busy", "Another session holds a lock in the SQLite file."),
        "SQLITE_CANTOPEN": Failure(
            "unreachable",
            "The SQLite file can't be opened: check that its folder exists, and that this user may "
            "read and write both.",
        ),
        "SQLITE_PERM": Failure("unreachable", "This user may not use the SQLite file."),
        "SQLITE_READONLY": Failure(
            "read-only",
            "The SQLite file can't be written: check that this user may write it and its folder.",
        ),
        "SQLITE_FULL": Failure("no-resources", "The disk of the SQLite file is full: make room."),
        "SQLITE_IOERR": Failure("no-resources", "The SQLite file's disk fails: check its volume."),
        "SQLITE_CORRUPT": Failure("failed", "The SQLite file is damaged: restore a copy of it."),
        "SQLITE_NOTADB": Failure("failed", "The file is no SQLite database: name another one."),
    }
)
_TLS_REQUIRED = Failure(
    "authentication-failed",
    "The server lets nobody in without TLS from here: add sslmode=require to the URI, or change "
    "pg_hba.conf.",
)
_HOST_REJECTED = Failure(
    "authentication-failed",
    "The server's pg_hba.conf has no entry for this user, database and address: add one.",
)
_CLIENT_CERTIFICATE = Failure(
    "authentication-failed",
    "The server wants a certificate from us: mount one, and name its files by sslcert and sslkey.",
)
_CLOSED = Failure(
    "unreachable", "The database is closed to connections: ALTER DATABASE … ALLOW_CONNECTIONS true."
)
_TLS_FILES = Failure(
    "unreachable",
    "A certificate or key for TLS can't be read: mount the files that sslrootcert, sslcert and "
    "sslkey of the URI name. sslmode=verify-ca and verify-full need sslrootcert.",
)
_UNKNOWN_NAME = Failure(
    "unreachable",
    "The name of the database's host is unknown, or no DNS server answers: check the host of its "
    "URI, and the cluster's DNS.",
)
_NO_FILES = Failure(
    "unreachable",
    "This process has too many files open to connect to the database: raise its limit (ulimit -n), "
    "or run more processes.",
)
_NO_SOCKET = Failure(
    "unreachable",
    "The database has no Unix socket in the folder that is the host of its URI: check that it "
    "runs, and mount that folder.",
)
_NO_CONNECT = Failure(
    "authentication-failed",
    "The user may not connect to the database: GRANT CONNECT ON DATABASE … TO the user.",
)
_SCHEMA_FORBIDDEN = Failure(
    "failed",
    "The database's user may not use the schema, or create tables there: GRANT USAGE, CREATE ON "
    "SCHEMA … TO the user, or make it the database's owner. (Since PostgreSQL 15, nobody else may "
    "create tables in the schema public.)",
)
_STATEMENT_MODE = Failure(
    "unreachable",
    "The connection pooler is in statement mode, which has no transactions: set pool_mode to "
    "transaction or session.",
)
_POOLER_DATABASE = Failure(
    "unreachable",
    "The connection pooler knows no database of the name in the URI: create it, or add it to the "
    "pooler's [databases].",
)
_POOLER_AUTHENTICATION = Failure(
    "authentication-failed",
    "The connection pooler rejected the user or the password: check the secret with its URI, and "
    "the pooler's auth_file or auth_query.",
)
_STARTUP_PARAMETER = Failure(
    "unreachable",
    "The connection pooler rejects a parameter of the URI: remove `options` from it, or list the "
    "parameter in the pooler's ignore_startup_parameters.",
)
_SCHEMA_CHANGED = Failure(
    "busy", "A migration changed a table that a prepared statement uses.", repeatable=True
)
_NO_PRIMARY = Failure(
    "unreachable",
    "No host of the URI is what its target_session_attrs asks for: check which is the primary.",
)


# By what the server's message has in it; these words are not translated by PgBouncer, and by
# PostgreSQL only where its lc_messages is another language.
_TEXTS = (
    ("permission denied for schema", _SCHEMA_FORBIDDEN),
    ("statement pooling mode", _STATEMENT_MODE),
    ("permission denied for database", _NO_CONNECT),
    ("unsupported startup parameter", _STARTUP_PARAMETER),
    ("client certificate", _CLIENT_CERTIFICATE),
    ("certificate authentication failed", _CLIENT_CERTIFICATE),
    ("not currently accepting connections", _CLOSED),
)
_BY_TYPE = MappingProxyType[type[Exception], Failure](
    {
        PoolTimeoutError: sqlstates.POOL_EXHAUSTED,
        asyncpg.InvalidCachedStatementError: _SCHEMA_CHANGED,
        asyncpg.TargetServerAttributeNotMatched: _NO_PRIMARY,
        asyncpg.exceptions.ClientConfigurationError: _TLS_FILES,
    }
)


ERRORS = (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""All that using the database may raise: SQLAlchemy wraps the driver's errors of statements only,
not those of a connection that is being made."""


class DatabaseUnavailableError(Exception):
    """The database can't do it at the moment: worth another try. The message is a code."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


def explain(error: BaseException) -> Failure:
    """Tell apart what is wrong; anything unknown is `failed`, with what the server says."""
    causes = list(_causes(error))
    specials = [special for cause in causes if (special := _explain_one(cause))]
    # With sslmode=prefer, what the server says without TLS hides why it did not work with TLS.
    specials.sort(key=lambda special: special is _TLS_REQUIRED)
    if specials:
        return specials[0]
    states = [
        state for cause in causes if isinstance(state := getattr(cause, "sqlstate", None), str)
    ]
    if meaning := sqlstates.meaning_of(states):
        return meaning
    if any(map(_is_connection_loss, causes)):
        return sqlstates.UNREACHABLE
    return Failure("failed", f"The database answered with an error: {_summary(causes)}.")


def violates(
    error: IntegrityError, constraint: UniqueConstraint | Index, *other_names: str
) -> bool:
    """Whether the database rejected a write for this constraint, or one of the same columns.

    PostgreSQL gives the constraint's name, SQLite no more than its columns.
    """
    for cause in _causes(error):
        if isinstance(cause, asyncpg.UniqueViolationError):
            return cause.constraint_name in {constraint.name, *other_names}
        if isinstance(cause, sqlite3.IntegrityError):
            columns = ", ".join(f"{column.table}.{column.name}" for column in constraint.columns)
            return str(cause) == f"UNIQUE constraint failed: {columns}"
    return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        cause = queue.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        original = cause.orig if isinstance(cause, DBAPIError) else None
        queue += [cause.__cause__, cause.__context__, original]


def _explain_one(error: BaseException) -> Failure | None:
    """Explain what has no code of its own, or one that says too little."""
    for kind, failure in _BY_TYPE.items():
        if isinstance(error, kind):
            return failure
    if isinstance(error, asyncpg.PostgresError):
        return _explain_text(str(error)) or _explain_pooler(error)
    if isinstance(error, sqlite3.Error):
        # An extended code has more words than the code itself: SQLITE_READONLY_DIRECTORY.
        words = str(getattr(error, "sqlite_errorname", "")).split("_")
        return _SQLITE.get("_".join(words[:2]))
    return _explain_os_error(error) if isinstance(error, OSError) else None


def _explain_text(text: str) -> Failure | None:
    """Explain an answer whose code stands for several causes."""
    for words, failure in _TEXTS:
        if words in text:
            return failure
    if "pg_hba.conf" in text:
        without_tls = "no encryption" in text or "SSL off" in text
        return _TLS_REQUIRED if without_tls else _HOST_REJECTED
    return None


def _explain_pooler(error: asyncpg.PostgresError) -> Failure | None:
    """Explain what PgBouncer says with one code for all (08P01)."""
    if not isinstance(error, asyncpg.ProtocolViolationError):
        return None
    text = str(error)
    if "authentication failed" in text or text.startswith("no such user"):
        return _POOLER_AUTHENTICATION
    if text.startswith(("no such database", 'database "')):
        return _POOLER_DATABASE
    return None


def _explain_os_error(error: OSError) -> Failure | None:
    if isinstance(error, socket.gaierror):
        return _UNKNOWN_NAME
    if isinstance(error, FileNotFoundError):
        return _NO_SOCKET
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return _NO_FILES
    return explain_tls(error)


def _is_connection_loss(error: BaseException) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, asyncpg.ConnectionDoesNotExistError):
        return True
    return isinstance(error, OSError)  # refused, reset, unknown host; TimeoutError is one


def _summary(causes: Sequence[BaseException]) -> str:
    """Return the first line of the innermost error: servers put values into the lines after it."""
    for cause in causes:
        if isinstance(cause, asyncpg.PostgresError | sqlite3.Error):
            return str(cause).partition("\n")[0].rstrip(".")
    return type(causes[0]).__name__
