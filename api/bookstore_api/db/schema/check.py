"""Whether this code works on the schema as it is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bookstore_api.db.errors import ERRORS, explain
from bookstore_api.db.schema.state import applied, read_heads
from bookstore_api.db.schema.tree import SCRIPTS, Branch, Tree, load_tree
from bookstore_api.db.sessions import Database, WriteSession
from bookstore_api.process.result import CommandResult

SchemaStatus = Literal["current", "ahead", "behind", "incompatible"]
# The code's own reads and writes, in a session that is rolled back; raises what the database says.
SelfTest = Callable[[WriteSession], Awaitable[None]]


@dataclass(frozen=True)
class Compatibility:
    """How the schema suits this code."""

    status: SchemaStatus
    message: str
    applied: tuple[str, ...]

    @property
    def compatible(self) -> bool:
        """Whether this code can serve on it."""
        return self.status in {"current", "ahead"}


async def check_compatibility(
    database: Database,
    self_test: SelfTest | None,
    *,
    scripts: Path = SCRIPTS,
    tested: set[tuple[str, ...]] | None = None,
) -> Compatibility:
    """Compare the schema with the code, and run the code's reads and writes on it.

    Revisions that this code does not know tell nothing of what they did: only the self-test does.
    Without one, where the database accepts no writes, they are trusted to be compatible.
    A schema in `tested` has passed before and is not tested again; one that passes is added.
    Raises what the driver raises where the database can't be asked.
    """
    tree = load_tree(scripts)
    async with database.health_connection() as connection:
        heads = await connection.run_sync(read_heads)
    ids = applied(tree, heads)
    unknown = ", ".join(sorted(tree.unknown(heads)))
    if not unknown and (missing := tree.pending(Branch.EXPAND, ids)):
        names = ", ".join(revision.id for revision in missing)
        message = f"The schema lacks {names}: run `bookstore-api migrate --to expand`."
        return Compatibility("behind", message, ids)
    if self_test is not None and (tested is None or ids not in tested):
        if reason := await _run(self_test, database):
            return Compatibility("incompatible", _why(unknown, reason), ids)
        if tested is not None:
            tested.add(ids)
    if unknown:
        message = f"Newer code has applied {unknown}; this code's reads and writes work on it."
        if self_test is None:
            message = f"Newer code has applied {unknown}; whether this code works on it is unknown."
        return Compatibility("ahead", message, ids)
    return Compatibility("current", "The schema is what this code expects.", ids)


async def check_schema(
    database: Database, self_test: SelfTest, *, scripts: Path = SCRIPTS
) -> CommandResult:
    """`check_compatibility` as a command."""
    try:
        result = await check_compatibility(database, self_test, scripts=scripts)
    except ERRORS as error:
        failure = explain(error)
        code = "unreachable" if failure.code == "busy" else failure.outcome
        return CommandResult("check-schema", code, failure.message)
    return CommandResult(
        "check-schema",
        result.status,
        result.message,
        schema_before=result.applied,
        schema_after=result.applied,
    )


def known_revisions(tree: Tree) -> tuple[str, ...]:
    """Return what this code brings, sorted."""
    return tuple(sorted(tree.revisions))


async def _run(self_test: SelfTest, database: Database) -> str | None:
    """Why this code does not work on the schema; None where it does."""
    try:
        async with database.rolled_back() as session:
            await self_test(session)
    except ERRORS as error:
        failure = explain(error)
        if failure.temporary:
            raise
        return failure.message
    return None


def _why(unknown: str, reason: str) -> str:
    if unknown:
        return f"Newer code has applied {unknown}, and this code does not work on it. {reason}"
    return f"Every revision is applied, and yet this code does not work on the schema. {reason}"
