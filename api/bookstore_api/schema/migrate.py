"""Bring a database's schema to the head of a branch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bookstore_api.database import Database, explain
from bookstore_api.outcome import Outcome
from bookstore_api.schema.check import assess
from bookstore_api.schema.lock import LockedError, migration_lock
from bookstore_api.schema.state import applied, read_tips
from bookstore_api.schema.tree import SCRIPTS, Branch, Revision, Tree, alembic_config, load_tree

# DDL queues for its table's lock, and every query queues behind it: so it gives up soon and tries
# again, rather than stopping the shop while some long query ends.
TABLE_LOCK_SECONDS = 2
RETRY_SECONDS = 1.0
LOCK_NOT_AVAILABLE = "55P03"

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Migration:
    """What is asked for."""

    target: Branch
    lock_seconds: float
    scripts: Path = SCRIPTS

    @property
    def tree(self) -> Tree:
        """The revisions that this code knows."""
        return load_tree(self.scripts)


async def plan(database: Database, migration: Migration) -> tuple[Outcome, tuple[Revision, ...]]:
    """Tell what `migrate` would run now; changes nothing and takes no lock."""
    try:
        async with database.health_connection() as connection:
            tips = await connection.run_sync(read_tips)
    except (SQLAlchemyError, OSError) as error:
        failure = explain(error)
        return Outcome("migrate", failure.code, failure.message), ()
    before = applied(migration.tree, tips)
    unknown = migration.tree.unknown(tips)
    pending = () if unknown else migration.tree.pending(migration.target, before)
    names = ", ".join(revision.id for revision in pending)
    message = f"Would apply {_count(pending)}: {names}." if pending else "Would apply nothing."
    return Outcome("migrate", "planned", message, before, before), pending


async def migrate(database: Database, migration: Migration) -> Outcome:
    """Apply what is pending, one migration of a database at a time."""
    try:
        return await _migrate(database, migration)
    except LockedError:
        seconds = f"{migration.lock_seconds:g}"
        message = f"Another migration still held the lock after {seconds} s. Try again."
        return Outcome("migrate", "locked", message)
    except (SQLAlchemyError, OSError) as error:
        failure = explain(error)
        log.warning("migration failed", reason=failure.code, exc_info=failure.code == "failed")
        return Outcome(
            "migrate", failure.code, failure.message, *await _state_after(database, migration)
        )


async def _migrate(database: Database, migration: Migration) -> Outcome:
    tree = migration.tree
    async with _exclusive(database, migration) as connection:
        tips = await connection.run_sync(read_tips)
        await _end_read(connection)
        before = applied(tree, tips)
        unknown = tree.unknown(tips)
        pending = () if unknown else tree.pending(migration.target, before)
        for revision in pending:
            await _apply(connection, revision, migration)
        after = applied(tree, await connection.run_sync(read_tips)) if pending else before
    if unknown:
        return await _leave_newer_schema(database, migration)
    if not pending:
        message = f"The schema is at the head of {migration.target}."
        return Outcome("migrate", "nothing-to-do", message, before, before)
    names = ", ".join(revision.id for revision in pending)
    return Outcome("migrate", "migrated", f"Applied {_count(pending)}: {names}.", before, after)


async def _leave_newer_schema(database: Database, migration: Migration) -> Outcome:
    """Newer code has migrated this database: older code never changes it, it may only fit."""
    result = await assess(database, scripts=migration.scripts)
    code = "nothing-to-do" if result.compatible else "failed"
    return Outcome("migrate", code, result.message, result.applied, result.applied)


@asynccontextmanager
async def _exclusive(database: Database, migration: Migration) -> AsyncIterator[AsyncConnection]:
    """Open a connection to migrate with, while no other migration runs; raises LockedError."""
    if database.dialect == "sqlite":
        async with _sqlite_transaction(database, migration.lock_seconds) as connection:
            yield connection
        return
    async with (
        migration_lock(database.engine, wait_seconds=migration.lock_seconds),
        database.engine.connect() as connection,
    ):
        await connection.execute(text(f"SET lock_timeout = '{TABLE_LOCK_SECONDS}s'"))
        # A server that misses its client's death would go on with our statement for hours.
        await connection.execute(
            text(
                "SELECT set_config(name, '2s', false) FROM pg_settings "
                "WHERE name = 'client_connection_check_interval'"
            )
        )
        await connection.commit()
        try:
            yield connection
        finally:
            await connection.invalidate()  # its settings are not for anybody else


@asynccontextmanager
async def _sqlite_transaction(database: Database, seconds: float) -> AsyncIterator[AsyncConnection]:
    """One transaction for all: SQLite's DDL is transactional and its write lock is ours."""
    engine = database.engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        connection = engine.connect()
        try:
            await connection.start()
            await connection.begin()
            break
        except OperationalError as error:
            await connection.close()
            if "locked" not in str(error.orig):
                raise
            if asyncio.get_running_loop().time() >= deadline:
                raise LockedError from None
            await asyncio.sleep(RETRY_SECONDS / 10)
    try:
        yield connection
        await connection.commit()
    finally:
        await connection.close()


async def _end_read(connection: AsyncConnection) -> None:
    """End the transaction that reading began, so that Alembic begins one for each revision."""
    if connection.dialect.name != "sqlite":
        await connection.commit()


async def _apply(connection: AsyncConnection, revision: Revision, migration: Migration) -> None:
    """Run one revision, again while others hold its tables, until the patience for locks ends."""
    deadline = asyncio.get_running_loop().time() + migration.lock_seconds
    while True:
        log.info("applying", schema_revision=revision.id, summary=revision.summary)
        try:
            await connection.run_sync(_upgrade, revision.id, migration.scripts)
        except SQLAlchemyError as error:
            state = getattr(getattr(error, "orig", None), "sqlstate", None)
            late = asyncio.get_running_loop().time() >= deadline
            if state != LOCK_NOT_AVAILABLE or late:
                raise
            log.info("a table is locked by others, trying again", schema_revision=revision.id)
            await connection.rollback()
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return


def _upgrade(connection: Connection, revision: str, scripts: Path) -> None:
    config = alembic_config(scripts)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def _state_after(
    database: Database, migration: Migration
) -> tuple[None, tuple[str, ...] | None]:
    """Read what a failed migration has left applied, where the database still answers."""
    try:
        async with database.health_connection() as connection:
            return None, applied(migration.tree, await connection.run_sync(read_tips))
    except (SQLAlchemyError, OSError):
        return None, None


def _count(revisions: tuple[Revision, ...]) -> str:
    return f"{len(revisions)} revision" + ("" if len(revisions) == 1 else "s")
