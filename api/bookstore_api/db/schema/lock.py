"""At most one migration of a database at a time."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bookstore_api.db.sessions import Database

# The number of our advisory lock: any that is the same in all versions of this code.
LOCK_ID = 0x626F6F6B73746F72  # "bookstor"
POLL_SECONDS = 0.2
POOLER_ATTEMPTS = 3

# So that no migration that was killed, frozen or cut off keeps the lock, or a table, for long; and
# that limits which a role or database has for requests end no migration: `steps` has its own.
SESSION_LIMITS: Mapping[str, str] = MappingProxyType(
    {
        "statement_timeout": "0",
        "transaction_timeout": "0",
        "lock_timeout": "0",
        # The server looks after its client even while a statement of hours runs.
        "client_connection_check_interval": "2s",
        "idle_in_transaction_session_timeout": "10s",
        "idle_session_timeout": "60s",
        # A machine that vanished sends no word.
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }
)


class LockedError(Exception):
    """Another migration held the lock for longer than this one would wait."""


class SessionSharedError(Exception):
    """A pooler shares the session with others, so it can't hold a lock; says what to do."""


@asynccontextmanager
async def exclusive(database: Database, wait_seconds: float) -> AsyncIterator[AsyncConnection]:
    """Open a connection to migrate with, while no other migration runs; raises LockedError."""
    if database.dialect == "sqlite":
        async with _sqlite_transaction(database, wait_seconds) as connection:
            yield connection
        return
    async with migration_lock(database.migration_engine, wait_seconds=wait_seconds) as connection:
        yield connection


@asynccontextmanager
async def migration_lock(
    engine: AsyncEngine, *, wait_seconds: float
) -> AsyncIterator[AsyncConnection]:
    """Open the connection to migrate with, which holds PostgreSQL's advisory lock.

    Raises LockedError after `wait_seconds`, and SessionSharedError.

    The session that migrates is the one that holds the lock, so neither can outlive the other: a
    server that is still at work for a client who was killed keeps everybody else out. Waiters
    are in no transaction, and they poll: one that blocks would hold a snapshot, for which CREATE
    INDEX CONCURRENTLY in the other migration would wait in turn.
    """
    async with engine.connect() as connection:
        try:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await _reject_shared_session(engine, connection)
            await _limit(connection)
            await _poll(connection, wait_seconds)
            await connection.commit()  # nothing in the database: SQLAlchemy counts one as begun
            await connection.execution_options(isolation_level="READ COMMITTED")
            yield connection
            await connection.rollback()
            await connection.execute(text("SELECT pg_advisory_unlock(:id)").bindparams(id=LOCK_ID))
        finally:
            await connection.invalidate()  # its settings are not for anybody else


async def _reject_shared_session(engine: AsyncEngine, connection: AsyncConnection) -> None:
    """Raise SessionSharedError where the server's session is not this connection's alone.

    In transaction mode a pooler hands the session that just answered to whoever asks next: a second
    connection takes it, or has the first one continue on another while it is in a transaction.
    """
    driver = (await connection.get_raw_connection()).driver_connection
    if driver is None or not await driver.is_pooled():
        return
    ask = text("SELECT pg_backend_pid()")
    async with engine.connect() as other:
        for _ in range(POOLER_ATTEMPTS):
            before = await connection.scalar(ask)
            taken = await other.scalar(ask)  # in a transaction, so the pooler keeps it there
            after = await connection.scalar(ask)
            await other.rollback()
            if before == taken or before != after:
                msg = (
                    "The database URI leads to a connection pooler in transaction mode, where a "
                    "migration can't hold its lock. Set BOOKSTORE_DATABASE_DIRECT_URL, or mount "
                    "the secret database/direct-uri, with a URI of the server itself."
                )
                raise SessionSharedError(msg)


async def _limit(connection: AsyncConnection) -> None:
    """Set the session's limits, those that this server knows."""
    setting = text(
        "SELECT set_config(name, CAST(:limits AS json) ->> name, false) FROM pg_settings "
        "WHERE CAST(:limits AS json) ->> name IS NOT NULL"
    )
    await connection.execute(setting.bindparams(limits=json.dumps(dict(SESSION_LIMITS))))


async def _poll(connection: AsyncConnection, wait_seconds: float) -> None:
    deadline = asyncio.get_running_loop().time() + wait_seconds
    attempt = text("SELECT pg_try_advisory_lock(:id)").bindparams(id=LOCK_ID)
    while not await connection.scalar(attempt):
        if asyncio.get_running_loop().time() >= deadline:
            raise LockedError
        await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def _sqlite_transaction(database: Database, seconds: float) -> AsyncIterator[AsyncConnection]:
    """One transaction for all: SQLite's DDL is transactional and its write lock is ours."""
    engine = database.migration_engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        connection = engine.connect()
        try:
            await connection.start()
            await _ignore_foreign_keys(connection)
            await connection.begin()
            break
        except OperationalError as error:
            if connection.sync_connection is not None:  # else it was locked while it was opened
                await connection.close()
            if "locked" not in str(error.orig):
                raise
            if asyncio.get_running_loop().time() >= deadline:
                raise LockedError from None
            await asyncio.sleep(POLL_SECONDS)
    try:
        yield connection
        await _check_foreign_keys(connection)
        await connection.commit()
    finally:
        await connection.invalidate()  # it ignores foreign keys


async def _ignore_foreign_keys(connection: AsyncConnection) -> None:
    """Let Alembic's batches copy a table and drop the old one, which would delete by cascade.

    It has no effect within a transaction, so it goes to the driver.
    """
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101 - it is connected
    async with driver.execute("PRAGMA foreign_keys = OFF"):
        pass


async def _check_foreign_keys(connection: AsyncConnection) -> None:
    """Raise IntegrityError where a row refers to one that is not there."""
    check = "PRAGMA foreign_key_check"
    if row := (await connection.exec_driver_sql(check)).mappings().first():
        reason = sqlite3.IntegrityError(
            f"a row of {row['table']} refers to none of {row['parent']}"
        )
        raise IntegrityError(check, None, reason)
