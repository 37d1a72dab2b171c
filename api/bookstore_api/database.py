"""Engines and sessions: PostgreSQL by asyncpg, SQLite by aiosqlite, the same to the rest."""

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from bookstore_api.settings import Settings, SettingsError
from bookstore_api.uris.database import (
    COMMAND_SECONDS,
    PostgresServer,
    SqliteFile,
    parse_database_uri,
)

POOL_WAIT_SECONDS = 5.0
SQLITE_BUSY_SECONDS = 5.0
# Who asks for health has less time: a lock that is not to be had in this time is an answer too.
HEALTH_BUSY_SECONDS = 1.0
# A connection is not kept longer than this, so that servers, poolers and passwords may change.
RECYCLE_SECONDS = 1800

REFUSED_SQLSTATES = frozenset({"28000", "28P01"})
UNREACHABLE_SQLSTATES = frozenset({"57P01", "57P02", "57P03", "53300"})

# A pool logs under the name of its class: ours is not below SQLAlchemy's, which say as much.
logging.getLogger(f"{__name__}.CountingPool").setLevel(logging.WARNING)


class DatabaseUnavailableError(Exception):
    """The database could not be reached or has no connection to spare: worth another try."""


class ReadSession(AsyncSession):
    """A session that only reads: PostgreSQL refuses writes in it."""


class WriteSession(ReadSession):
    """A session that may write; on SQLite it holds the write lock from its first statement."""


@dataclass(frozen=True, slots=True)
class PoolState:
    """The connections that requests use; `waits` and `timeouts` since the process began."""

    size: int
    open: int
    checked_out: int
    overflow: int
    waiting: int
    waits: int
    timeouts: int


class CountingPool(AsyncAdaptedQueuePool):
    """A pool that counts how often somebody had to wait for one of its connections."""

    waits = timeouts = waiting = 0

    def _do_get(self) -> ConnectionPoolEntry:
        """Take a connection, where there is none after a wait; SQLAlchemy's pools are made so."""
        if self.checkedin() or self.overflow() < self._max_overflow:
            return super()._do_get()
        self.waits += 1
        self.waiting += 1
        try:
            return super()._do_get()
        except PoolTimeoutError:
            self.timeouts += 1
            raise
        finally:
            self.waiting -= 1

    def state(self) -> PoolState:
        """Return what it is at this moment."""
        return PoolState(
            size=self.size(),
            open=self.checkedin() + self.checkedout(),
            checked_out=self.checkedout(),
            overflow=max(0, self.overflow()),
            waiting=self.waiting,
            waits=self.waits,
            timeouts=self.timeouts,
        )


class Database:
    """The pools of one process. Close it when done."""

    def __init__(self, uri: Callable[[], str], *, pool_size: int) -> None:
        """Open nothing yet; `uri` is called again for each new connection."""
        address = read_address(uri)
        self.file = address.path if isinstance(address, SqliteFile) else None
        self.engine = _create_engine(uri, pool_size=pool_size, command_seconds=COMMAND_SECONDS)
        # Health is told over a connection of its own: a busy pool is no sick database.
        self._health_engine = _create_engine(
            uri, pool_size=1, busy_seconds=HEALTH_BUSY_SECONDS, command_seconds=COMMAND_SECONDS
        )
        self._health_driver: Any = None
        event.listen(self._health_engine.sync_engine, "connect", self._keep_health_driver)
        # A statement of a migration may take hours, by limits that the server keeps.
        self.migration_engine = _create_engine(uri, pool_size=1, command_seconds=None)
        self._reads = async_sessionmaker(
            self.engine.execution_options(postgresql_readonly=True),
            class_=ReadSession,
            expire_on_commit=False,
        )
        self._writes = _write_sessions(self.engine)
        self._health = _write_sessions(self._health_engine)

    @property
    def dialect(self) -> str:
        """`postgresql` or `sqlite`."""
        return self.engine.dialect.name

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a session to read with; raises DatabaseUnavailableError."""
        with _telling_absence():
            async with self._reads() as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """Open a transaction: committed when the block ends, rolled back when it raises.

        Raises DatabaseUnavailableError.
        """
        with _telling_absence():
            async with self._writes.begin() as session:
                yield session

    @asynccontextmanager
    async def rehearse(self) -> AsyncIterator[WriteSession]:
        """Open a transaction on the health connection that is always rolled back."""
        async with self._health() as session:
            try:
                yield session
            finally:
                await session.rollback()

    @asynccontextmanager
    async def health_connection(self) -> AsyncIterator[AsyncConnection]:
        """Borrow the connection kept for questions about the database itself."""
        async with self._health_engine.connect() as connection:
            yield connection

    def cut_health_connection(self) -> None:
        """End the connection kept for health at once, so that who waits for it waits no more.

        Cancelling a question would not do: the driver then waits for the server to hear of it.
        SQLite's can't be cut: it waits for a lock, and not for longer than `HEALTH_BUSY_SECONDS`.
        """
        if self.file is None and self._health_driver is not None:
            self._health_driver.terminate()

    def _keep_health_driver(self, connection: Any, _record: Any) -> None:
        self._health_driver = connection.driver_connection

    def pool_state(self) -> PoolState:
        """Return how busy the pool of requests is at this moment."""
        pool = self.engine.pool
        assert isinstance(pool, CountingPool)  # noqa: S101 - made below
        return pool.state()

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        await self._health_engine.dispose()
        await self.migration_engine.dispose()


def open_database(
    settings: Settings, *, direct: bool = False, pool_size: int | None = None
) -> Database:
    """Make the database of the settings, nothing connected yet; raises SettingsError."""
    return Database(
        lambda: settings.database_uri(direct=direct),
        pool_size=pool_size or settings.database_pool_size,
    )


def read_address(uri: Callable[[], str]) -> SqliteFile | PostgresServer:
    """Return where the database is at this moment; raises SettingsError."""
    try:
        return parse_database_uri(uri())
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _write_sessions(engine: AsyncEngine) -> async_sessionmaker[WriteSession]:
    return async_sessionmaker(
        engine.execution_options(sqlite_begin="BEGIN IMMEDIATE"),
        class_=WriteSession,
        expire_on_commit=False,
    )


def _create_engine(
    uri: Callable[[], str],
    *,
    pool_size: int,
    busy_seconds: float = SQLITE_BUSY_SECONDS,
    command_seconds: float | None,
) -> AsyncEngine:
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


@dataclass(frozen=True)
class Failure:
    """Why the database could not be used, without a word of what was sent to it."""

    code: Literal["unreachable", "refused-credentials", "failed"]
    message: str


def explain(error: BaseException) -> Failure:
    """Tell an absent server, refused credentials and all other failures apart."""
    causes = list(_causes(error))
    states = {
        state for cause in causes if isinstance(state := getattr(cause, "sqlstate", None), str)
    }
    if states & REFUSED_SQLSTATES:
        return Failure(
            "refused-credentials",
            "The database refused the user or the password: check the secret with its URI.",
        )
    if states & UNREACHABLE_SQLSTATES or any(map(_is_connection_loss, causes)):
        return Failure(
            "unreachable",
            "The database does not answer: check that it runs, and the host and port of its URI.",
        )
    if "3D000" in states:
        return Failure(
            "failed", "The server has no database of the name in the URI: create it first."
        )
    return Failure("failed", f"The database answered with an error: {_summary(causes)}.")


@contextmanager
def _telling_absence() -> Iterator[None]:
    """Tell the database's absence from faults of ours."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        failure = explain(error)
        if failure.code == "failed":
            raise
        raise DatabaseUnavailableError(failure.code) from error


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


def _is_connection_loss(error: BaseException) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, asyncpg.ConnectionDoesNotExistError | PoolTimeoutError):
        return True
    if isinstance(error, sqlite3.OperationalError):
        return "unable to open" in str(error) or "locked" in str(error)
    return isinstance(error, OSError)  # refused, reset, unknown host, TLS; TimeoutError is one


def _summary(causes: list[BaseException]) -> str:
    """Return the first line of the innermost error: servers put values into the lines after it."""
    for cause in causes:
        if isinstance(cause, asyncpg.PostgresError | sqlite3.Error):
            return str(cause).partition("\n")[0].rstrip(".")
    return type(causes[0]).__name__
