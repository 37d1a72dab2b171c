"""Run one revision, without stopping the shop for it."""

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bookstore_api.db.orm import Base
from bookstore_api.db.schema.tree import Revision, alembic_config

# DDL queues for its table's lock, and every query queues behind it: so it gives up soon and tries
# again, after ever longer pauses, rather than stopping the shop while some long query ends.
TABLE_LOCK_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0
# And once it has the lock, everybody waits for it to be done.
STATEMENT_SECONDS = 10
LIMITS = (
    f"SET lock_timeout = '{TABLE_LOCK_SECONDS * 1000:.0f}ms'",
    f"SET statement_timeout = '{STATEMENT_SECONDS}s'",
)
IN_THE_WAY = frozenset({"55P03", "40P01"})  # lock not available, deadlock detected

log = structlog.stdlib.get_logger(__name__)


class Direction(StrEnum):
    """Which of a revision's two functions is run."""

    UP = "upgrade"
    DOWN = "downgrade"


class TableLockedError(Exception):
    """Others held the tables that a revision changes for longer than it would wait."""


async def run(
    connection: AsyncConnection,
    revision: Revision,
    direction: Direction,
    *,
    scripts: Path,
    lock_seconds: float,
) -> None:
    """Run one revision, again while others hold its tables.

    Raises TableLockedError after `lock_seconds`, and what the driver raises.
    """
    clock = asyncio.get_running_loop().time
    deadline, pause = clock() + lock_seconds, FIRST_PAUSE_SECONDS
    while True:
        log.info(
            "applying" if direction is Direction.UP else "reverting",
            schema_revision=revision.id,
            summary=revision.summary,
        )
        try:
            await _limit(connection)
            await connection.run_sync(_run, revision.id, direction, scripts)
        except SQLAlchemyError as error:
            if _sqlstate(error) not in IN_THE_WAY:
                raise
            if clock() + pause > deadline:
                raise _table_locked(revision, lock_seconds) from error
        else:
            return
        log.info(
            "a table is locked by others, trying again",
            schema_revision=revision.id,
            pause_seconds=pause,
        )
        await connection.rollback()
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def _limit(connection: AsyncConnection) -> None:
    """Set how long a statement may wait for a lock, and take; SQLite has no such thing."""
    if connection.dialect.name != "sqlite":
        for statement in LIMITS:
            await connection.execute(text(statement))
        await connection.commit()


def _run(connection: Connection, revision: str, direction: Direction, scripts: Path) -> None:
    """Run this one revision, and have Alembic record it, in one transaction where it can be."""
    config = alembic_config(scripts)
    config.attributes["connection"] = connection
    config.attributes["metadata"] = Base.metadata
    directory = ScriptDirectory.from_config(config)

    def only_this(_heads: Any, _context: Any) -> Iterable[MigrationStep]:
        make = {
            Direction.UP: MigrationStep.upgrade_from_script,
            Direction.DOWN: MigrationStep.downgrade_from_script,
        }[direction]
        return [make(directory.revision_map, directory.get_revision(revision))]

    with EnvironmentContext(config, directory, fn=only_this):
        directory.run_env()


def _sqlstate(error: BaseException) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _table_locked(revision: Revision, seconds: float) -> TableLockedError:
    return TableLockedError(
        f"Others kept {revision.id} from a table for {seconds:g} s: look for long transactions in "
        "pg_stat_activity. Try again."
    )


def advice(error: BaseException) -> str:
    """Return what to do about a statement that was ended for taking too long; else nothing."""
    if "statement timeout" not in str(getattr(error, "orig", "")):
        return ""
    return (
        f" While a statement changes a table, it may take {STATEMENT_SECONDS} s: use "
        "bookstore_api.db.schema.operations for what takes longer."
    )
