"""Bring a database's schema to the head of a branch, or, while developing, back."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bookstore_api.db.errors import ERRORS, explain
from bookstore_api.db.schema.check import SelfTest, check_compatibility
from bookstore_api.db.schema.lock import LockedError, SessionSharedError, exclusive
from bookstore_api.db.schema.state import applied, read_heads
from bookstore_api.db.schema.steps import Direction, TableLockedError, advice, run
from bookstore_api.db.schema.tree import BASE, SCRIPTS, Branch, Revision, Tree, load_tree
from bookstore_api.db.sessions import Database
from bookstore_api.process.result import CommandResult

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Migration:
    """What is asked for.

    Upwards, all that the head of `target`, a branch, requires. Downwards, nothing but `target`, a
    revision, and what it requires; `base` for nothing at all.
    """

    target: str
    lock_seconds: float
    scripts: Path = SCRIPTS
    direction: Direction = Direction.UP

    @property
    def upwards(self) -> bool:
        """Whether it applies revisions rather than reverting them."""
        return self.direction is Direction.UP

    @property
    def tree(self) -> Tree:
        """The revisions that this code knows."""
        return load_tree(self.scripts)

    def steps(self, heads: frozenset[str]) -> tuple[Revision, ...]:
        """Return what is to be run, in order; nothing upwards of what newer code has migrated.

        Raises IrreversibleError.
        """
        tree, unknown = self.tree, self.tree.unknown(heads)
        if self.upwards:
            return () if unknown else tree.pending(Branch(self.target), tree.closure(heads))
        if unknown:
            message = f"Newer code has applied {', '.join(sorted(unknown))}: revert it with that."
            raise IrreversibleError(message)
        targets = (BASE, *applied(tree, heads))
        if self.target not in targets:
            message = f"No such revision is applied. Go back to one of: {', '.join(targets)}."
            raise IrreversibleError(message)
        return tree.beyond(self.target, targets[1:])


class IrreversibleError(Exception):
    """The schema can't be brought back to that revision."""


async def plan(
    database: Database, request: Migration
) -> tuple[CommandResult, tuple[Revision, ...]]:
    """Tell what `migrate` would run now; changes nothing and takes no lock."""
    try:
        async with database.health_connection() as connection:
            heads = await connection.run_sync(read_heads)
        steps = request.steps(heads)
    except IrreversibleError as error:
        return CommandResult("migrate", "failed", str(error)), ()
    except ERRORS as error:
        failure = explain(error)
        return CommandResult("migrate", failure.outcome, failure.message), ()
    before = applied(request.tree, heads)
    verb = "apply" if request.upwards else "revert"
    message = f"Would {verb} {_named(steps) if steps else 'nothing'}."
    return CommandResult("migrate", "planned", message, before, before), steps


async def migrate(database: Database, request: Migration, self_test: SelfTest) -> CommandResult:
    """Carry out what is asked for, one migration of a database at a time.

    The self-test tells whether this code works on a schema that newer code has migrated.
    """
    try:
        return await _migrate(database, request, self_test)
    except LockedError:
        seconds = f"{request.lock_seconds:g}"
        message = f"Another migration still held the lock after {seconds} s. Try again."
        return CommandResult("migrate", "locked", message)
    except SessionSharedError as error:
        return CommandResult("migrate", "failed", str(error))
    except TableLockedError as error:
        return CommandResult(
            "migrate", "locked", str(error), *await _state_after(database, request)
        )
    except IrreversibleError as error:
        return CommandResult(
            "migrate", "failed", str(error), *await _state_after(database, request)
        )
    except ERRORS as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # what it waited for failed as it was canceled
            raise asyncio.CancelledError from error
        failure = explain(error)
        log.warning("migration failed", reason=failure.code, exc_info=failure.code == "failed")
        too_slow = advice(error)  # and so it would be again
        return CommandResult(
            "migrate",
            "failed" if too_slow else failure.outcome,
            failure.message + too_slow,
            *await _state_after(database, request),
        )


async def _migrate(database: Database, request: Migration, self_test: SelfTest) -> CommandResult:
    async with exclusive(database, request.lock_seconds) as connection:
        heads = await _read_heads(connection)
        steps = request.steps(heads)
        for revision in steps:
            await run(
                connection,
                revision,
                request.direction,
                scripts=request.scripts,
                lock_seconds=request.lock_seconds,
            )
        after = applied(request.tree, await _read_heads(connection))
    if request.upwards and request.tree.unknown(heads):
        return await _leave_newer_schema(database, request, self_test)
    if not steps:
        at_the_head = f"The schema is at the head of {request.target}."
        message = at_the_head if request.upwards else f"Nothing is applied beyond {request.target}."
        return CommandResult("migrate", "nothing-to-do", message, after, after)
    before = applied(request.tree, heads)
    done = "Applied" if request.upwards else "Reverted"
    return CommandResult("migrate", "migrated", f"{done} {_named(steps)}.", before, after)


async def _leave_newer_schema(
    database: Database, migration: Migration, self_test: SelfTest
) -> CommandResult:
    """Newer code has migrated this database: older code never changes it, it may only fit."""
    result = await check_compatibility(database, self_test, scripts=migration.scripts)
    code = "nothing-to-do" if result.compatible else "failed"
    return CommandResult("migrate", code, result.message, result.applied, result.applied)


async def _read_heads(connection: AsyncConnection) -> frozenset[str]:
    """Read what is applied, and leave no transaction: Alembic begins one for each revision."""
    heads = await connection.run_sync(read_heads)
    if connection.dialect.name != "sqlite":
        await connection.commit()
    return heads


async def _state_after(
    database: Database, request: Migration
) -> tuple[None, tuple[str, ...] | None]:
    """Read what a failed migration has left applied, where the database still answers."""
    try:
        async with database.health_connection() as connection:
            return None, applied(request.tree, await connection.run_sync(read_heads))
    except ERRORS:
        return None, None


def _named(revisions: tuple[Revision, ...]) -> str:
    count = f"{len(revisions)} revision" + ("" if len(revisions) == 1 else "s")
    return f"{count}: {', '.join(revision.id for revision in revisions)}"
