"""Sessions on the pools of one process: to read with, to write with, to ask for health."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

from bookstore_api.db.engine import Engine, read_address
from bookstore_api.db.errors import ERRORS, DatabaseUnavailableError, explain
from bookstore_api.db.hosts import Hosts
from bookstore_api.db.limits import HEALTH, HOLD_SECONDS, MIGRATIONS, REQUESTS
from bookstore_api.db.pool import PoolState
from bookstore_api.db.sqlstates import Failure
from bookstore_api.settings import Settings, SettingsError
from bookstore_api.uris.database import SqliteFile

T = TypeVar("T")
# A unit of work that the database rolled back is run again so often, and then the client's turn.
MAX_ATTEMPTS = 4
# And none begins later than this: one connection that was lost without a word costs HOLD_SECONDS.
REPEAT_SECONDS = HOLD_SECONDS + 3
# A server that stays read-only must not have its connections replaced for each write.
REPLACE_SECONDS = 5.0
# Those who were in each other's way should not meet again at the same moment.
LONGEST_PAUSE_SECONDS = 0.05

log = structlog.stdlib.get_logger(__name__)


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
        hosts = Hosts()
        self._requests = Engine(uri, pool_size=pool_size, limits=REQUESTS, hosts=hosts)
        # Health checks have a connection of their own: a busy pool is not a failed database.
        self._health = Engine(uri, pool_size=1, limits=HEALTH, hosts=hosts)
        self._migrations = Engine(uri, pool_size=2, limits=MIGRATIONS, hosts=hosts)
        self._reads = async_sessionmaker(
            self._requests.asyncio.execution_options(postgresql_readonly=True),
            class_=ReadSession,
            expire_on_commit=False,
        )
        self._writes = _write_sessions(self._requests.asyncio)
        self._health_writes = _write_sessions(self._health.asyncio)
        self._replaceable_at = 0.0
        self.rejected_writes = 0
        """How many writes the database could not carry out, though it answered."""

    @property
    def dialect(self) -> str:
        """`postgresql` or `sqlite`."""
        return self._requests.asyncio.dialect.name

    @property
    def migration_engine(self) -> AsyncEngine:
        """The engine of migrations: without limits."""
        return self._migrations.asyncio

    async def read(self, work: Callable[[ReadSession], Awaitable[T]]) -> T:
        """Do work that only reads, again where the database asks for that.

        Raises DatabaseUnavailableError.
        """

        async def attempt() -> T:
            async with self._reads() as session:
                return await work(session)

        return await self._run(attempt)

    async def write(self, work: Callable[[WriteSession], Awaitable[T]]) -> T:
        """Do work in a transaction: committed when it returns, rolled back when it raises.

        It is done again, whole, where the database rolled it back to let others pass. So it must
        change nothing but the database. Raises DatabaseUnavailableError.
        """

        async def attempt() -> T:
            async with self._writes() as session:
                result = await work(session)
                await session.flush()
                try:
                    await session.commit()
                except ERRORS as error:
                    raise _CommitError from error
                return result

        return await self._run(attempt)

    async def _run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        clock = asyncio.get_running_loop().time
        number, deadline = 1, clock() + REPEAT_SECONDS
        while True:
            try:
                return await attempt()
            except SettingsError as error:
                log.warning("the database's secret can't be used")
                raise DatabaseUnavailableError(Failure("unreachable", str(error))) from error
            except ERRORS as error:
                failure = explain(error)
                if not failure.temporary:
                    raise
                self._learn(failure)
                last = number == MAX_ATTEMPTS or clock() > deadline
                if last or not _may_repeat(failure, error):
                    raise DatabaseUnavailableError(failure) from error
                log.info("transaction is run again", reason=failure.code)
            number += 1
            await asyncio.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))  # noqa: S311

    def _learn(self, failure: Failure) -> None:
        """Draw conclusions from a failure for the connections that others use."""
        if failure.code in {"read-only", "no-resources"}:
            self.rejected_writes += 1
        if failure.code == "read-only":  # there may be another primary by now
            self.replace_connections()

    def replace_connections(self) -> None:
        """Have every connection of requests replaced before its next use, if it is time."""
        now = time.monotonic()
        if now >= self._replaceable_at:
            self._replaceable_at = now + REPLACE_SECONDS
            self._requests.replace_connections()

    def make_room_for_health(self) -> None:
        """Leave a connection of requests to the next check: the server has no other to spare.

        Without one it would find the database unreachable, while requests keep theirs and are
        answered, for as long as those are kept.
        """
        self._requests.end_idle_connection()

    def replace_health_connection(self) -> None:
        """Have the connection of health checks replaced before its next use."""
        self._health.replace_connections()

    @asynccontextmanager
    async def rolled_back(self) -> AsyncIterator[WriteSession]:
        """Open a transaction on the health connection that is always rolled back."""
        async with self._health_writes() as session:
            try:
                yield session
            finally:
                await session.rollback()

    @asynccontextmanager
    async def health_connection(self) -> AsyncIterator[AsyncConnection]:
        """Borrow the connection kept for questions about the database itself."""
        async with self._health.asyncio.connect() as connection:
            yield connection

    @property
    def has_health_connection(self) -> bool:
        """Whether a connection for health was used before, and is kept and open."""
        return self._health.has_idle_connection

    def abort_health_connection(self) -> None:
        """End the connection kept for health at once, so that who waits for it waits no more."""
        self._health.abort()

    def pool_state(self) -> PoolState:
        """Return how busy the pool of requests is at this moment."""
        return self._requests.pool.state()

    async def close(self) -> None:
        """Close every connection, all at once."""
        engines = (self._requests, self._health, self._migrations)
        await asyncio.gather(*(engine.close() for engine in engines))


class _CommitError(SQLAlchemyError):
    """A COMMIT failed, for the reason that is its cause."""


def _may_repeat(failure: Failure, error: Exception) -> bool:
    """Whether a transaction certainly had no effect, and may succeed when it is run again.

    Where the connection is lost at a COMMIT, nobody knows whether it was carried out. Where there
    was none to be had, the wait for one is all that a client has time for.
    """
    lost = isinstance(error, DBAPIError)
    return failure.repeatable and (failure.code != "unreachable" or lost)


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
