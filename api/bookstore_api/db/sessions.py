"""Sessions on the pools of one process: to read with, to write with, to ask for health."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

from bookstore_api.db.engine import HEALTH_BUSY_SECONDS, create_engine, read_address
from bookstore_api.db.errors import raising_unavailable
from bookstore_api.db.pool import CountingPool, PoolState
from bookstore_api.settings import Settings
from bookstore_api.uris.database import COMMAND_SECONDS, SqliteFile


class ReadSession(AsyncSession):
    """A session that only reads: PostgreSQL rejects writes in it."""


class WriteSession(ReadSession):
    """A session that may write; on SQLite it holds the write lock from its first statement."""


class Database:
    """The pools of one process. Close it when done."""

    def __init__(self, uri: Callable[[], str], *, pool_size: int) -> None:
        """Open nothing yet; `uri` is called again for each new connection."""
        address = read_address(uri)
        self.file = address.path if isinstance(address, SqliteFile) else None
        self.engine = create_engine(uri, pool_size=pool_size, command_seconds=COMMAND_SECONDS)
        # Health checks have a connection of their own: a busy pool is not a failed database.
        self._health_engine = create_engine(
            uri, pool_size=1, busy_seconds=HEALTH_BUSY_SECONDS, command_seconds=COMMAND_SECONDS
        )
        self._health_driver: Any = None
        event.listen(self._health_engine.sync_engine, "connect", self._keep_health_driver)
        # A statement of a migration may take hours, by limits that the server keeps.
        self.migration_engine = create_engine(uri, pool_size=1, command_seconds=None)
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
        with raising_unavailable():
            async with self._reads() as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """Open a transaction: committed when the block ends, rolled back when it raises.

        Raises DatabaseUnavailableError.
        """
        with raising_unavailable():
            async with self._writes.begin() as session:
                yield session

    @asynccontextmanager
    async def rolled_back(self) -> AsyncIterator[WriteSession]:
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

    def abort_health_connection(self) -> None:
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


def _write_sessions(engine: AsyncEngine) -> async_sessionmaker[WriteSession]:
    return async_sessionmaker(
        engine.execution_options(sqlite_begin="BEGIN IMMEDIATE"),
        class_=WriteSession,
        expire_on_commit=False,
    )
