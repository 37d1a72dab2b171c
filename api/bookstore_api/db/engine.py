"""Engines: PostgreSQL by asyncpg, SQLite by aiosqlite, the same to the rest."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from sqlalchemy import Connection, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bookstore_api.db.pool import CountingPool
from bookstore_api.settings import SettingsError
from bookstore_api.uris.database import PostgresServer, SqliteFile, parse_database_uri

POOL_WAIT_SECONDS = 5.0
SQLITE_BUSY_SECONDS = 5.0
# Who asks for health has less time: a lock that is not to be had in this time is an answer too.
HEALTH_BUSY_SECONDS = 1.0
# A connection is not kept longer than this, so that servers, poolers and passwords may change.
RECYCLE_SECONDS = 1800


def read_address(uri: Callable[[], str]) -> SqliteFile | PostgresServer:
    """Return where the database is at this moment; raises SettingsError."""
    try:
        return parse_database_uri(uri())
    except ValueError as error:
        raise SettingsError(str(error)) from None


def create_engine(
    uri: Callable[[], str],
    *,
    pool_size: int,
    busy_seconds: float = SQLITE_BUSY_SECONDS,
    command_seconds: float | None,
) -> AsyncEngine:
    """Make an engine, nothing connected yet; raises SettingsError.

    A statement may take `command_seconds` on PostgreSQL, and wait `busy_seconds` for SQLite's lock.
    """
    address = read_address(uri)
    common: dict[str, Any] = {
        "hide_parameters": True,
        "poolclass": CountingPool,
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": POOL_WAIT_SECONDS,
        "pool_recycle": RECYCLE_SECONDS,
    }
    if isinstance(address, SqliteFile):
        engine = create_async_engine(f"sqlite+aiosqlite:///{address.path}", **common)
        event.listen(engine.sync_engine, "connect", partial(_prepare_sqlite, busy_seconds))
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    engine = create_async_engine("postgresql+asyncpg://", **common)

    @event.listens_for(engine.sync_engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        """Fill in the address and the password as they are now."""
        now = read_address(uri)
        if isinstance(now, PostgresServer):
            parameters.clear()
            parameters.update(now.arguments, command_timeout=command_seconds)

    event.listen(engine.sync_engine, "checkout", _drop_dead_connection)
    return engine


def _drop_dead_connection(connection: Any, _record: Any, _proxy: Any) -> None:
    """Notice a connection that the server has closed, without a round trip.

    SQLAlchemy's pre-ping would cost three on each request.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _prepare_sqlite(busy_seconds: float, connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, DDL included
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(busy_seconds * 1000)}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin as the session says: a read that becomes a write can't wait for the lock."""
    options = connection.get_execution_options()
    connection.exec_driver_sql(cast("str", options.get("sqlite_begin", "BEGIN")))
