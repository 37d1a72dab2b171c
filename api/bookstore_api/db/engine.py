"""Engines: PostgreSQL by asyncpg, SQLite by aiosqlite, the same to the rest."""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast
from weakref import WeakSet

from sqlalchemy import Connection, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import create_async_engine

from bookstore_api.db import driver
from bookstore_api.db.hosts import Hosts
from bookstore_api.db.limits import POOL_WAIT_SECONDS, RECYCLE_SECONDS, Limits
from bookstore_api.db.pool import CountingPool
from bookstore_api.db.stored import read_text
from bookstore_api.settings import SettingsError
from bookstore_api.uris.database import PostgresServer, SqliteFile, parse_database_uri


def read_address(uri: Callable[[], str]) -> SqliteFile | PostgresServer:
    """Return where the database is at this moment; raises SettingsError."""
    try:
        return parse_database_uri(uri())
    except ValueError as error:
        raise SettingsError(str(error)) from None


class Engine:
    """An engine with its connections, each of which is held for a limited time. Close it."""

    def __init__(
        self, uri: Callable[[], str], *, pool_size: int, limits: Limits, hosts: Hosts
    ) -> None:
        """Make an engine, nothing connected yet; raises SettingsError.

        `uri` is called again for each new connection.
        """
        address = read_address(uri)
        self._limits = limits
        self._opened: WeakSet[driver.Connection] = WeakSet()
        self._idle: WeakSet[driver.Connection] = WeakSet()
        self._epoch = 0
        common: dict[str, Any] = {
            "hide_parameters": True,
            "poolclass": CountingPool,
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": POOL_WAIT_SECONDS,
            "pool_recycle": RECYCLE_SECONDS,
        }
        if isinstance(address, SqliteFile):
            self.asyncio = create_async_engine(f"sqlite+aiosqlite:///{address.path}", **common)
            sqlite = self.asyncio.sync_engine
            event.listen(sqlite, "do_connect", partial(_check_openable, address.path))
            event.listen(sqlite, "connect", partial(_prepare_sqlite, limits.busy_seconds))
            event.listen(sqlite, "begin", _begin_sqlite)
            return
        # Whatever the server's default is: with any other level, a row that another request has
        # changed meanwhile is an error where this one waits for it and reads it again.
        self.asyncio = create_async_engine(
            f"{driver.NAME}://", isolation_level="READ COMMITTED", **common
        )
        postgres = self.asyncio.sync_engine

        @event.listens_for(postgres, "do_connect")
        def _connect(dialect: Any, _record: Any, _args: Any, _parameters: Any) -> Any:
            """Connect to the address and with the password as they are now."""
            now = read_address(uri)
            if not isinstance(now, PostgresServer):
                msg = "The database URI changed from PostgreSQL to SQLite: restart to use it."
                raise SettingsError(msg)
            return driver.connect(dialect, now, limits, self._opened, hosts)

        event.listen(postgres, "connect", self._note_epoch)
        event.listen(postgres, "checkout", self._check_out)
        event.listen(postgres, "checkin", self._check_in)

    @property
    def pool(self) -> CountingPool:
        """The pool of its connections."""
        pool = self.asyncio.pool
        assert isinstance(pool, CountingPool)  # noqa: S101 - made above
        return pool

    @property
    def has_idle_connection(self) -> bool:
        """Whether a connection to PostgreSQL was used before, and is kept and open.

        The pool counts those too that have ended meanwhile, or could not be made again.
        """
        return any(not connection.is_closed() for connection in self._idle)

    def replace_connections(self) -> None:
        """Have every connection there is replaced before its next use."""
        self._epoch += 1

    def end_idle_connection(self) -> None:
        """End one that nobody uses at the moment, if there is one."""
        for connection in self._idle:
            if not connection.is_closed():
                connection.terminate()
                return

    def abort(self) -> None:
        """End every connection at once, so that who waits for one waits no more.

        Cancelling would not do: the driver then waits for the server to hear of it. SQLite's can't
        be cut: they wait for a lock, and not for longer than `busy_seconds`.
        """
        for connection in tuple(self._opened):
            connection.terminate()

    async def close(self) -> None:
        """Close every connection, also those in use, all at once."""
        await asyncio.gather(*(connection.part() for connection in tuple(self._opened)))
        await self.asyncio.dispose()

    def _note_epoch(self, _connection: Any, record: Any) -> None:
        record.info["epoch"] = self._epoch

    def _check_out(self, connection: Any, record: Any, _proxy: Any) -> None:
        """Refuse a connection that is closed or suspect, without a round trip; limit its use.

        SQLAlchemy's pre-ping would cost three on each request.
        """
        used = connection.driver_connection
        self._idle.discard(used)
        if used.is_closed() or record.info["epoch"] != self._epoch:
            raise DisconnectionError
        if self._limits.hold_seconds is not None:
            loop = asyncio.get_running_loop()
            record.info["deadline"] = loop.call_later(self._limits.hold_seconds, used.terminate)

    def _check_in(self, connection: Any | None, record: Any) -> None:
        if connection is not None:  # None: it was lost
            self._idle.add(connection.driver_connection)
        if deadline := record.info.pop("deadline", None):
            deadline.cancel()


def _check_openable(path: Path, *_connecting: Any) -> None:
    """Raise what SQLite raises: aiosqlite leaves a thread that fails once the event loop ends."""
    sqlite3.connect(path).close()


def _prepare_sqlite(busy_seconds: float, connection: Any, _record: Any) -> None:
    connection.driver_connection.text_factory = read_text  # of bytes, which may be no UTF-8
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
