"""`bookstore-api migrate`."""

from typing import Annotated

import typer

from bookstore_api.cli.command import open_direct_database, run_command
from bookstore_api.db.schema import migrate as schema
from bookstore_api.db.schema.migrate import Migration
from bookstore_api.db.schema.steps import Direction
from bookstore_api.db.schema.tree import Branch
from bookstore_api.process.interrupt import run_interruptible
from bookstore_api.process.result import CommandResult
from bookstore_api.settings import Environment, Settings, SettingsError
from bookstore_api.settings.policy import OF_THE_DATABASE


def migrate(
    to: Annotated[Branch | None, typer.Option(help="Migrate to the head of this branch.")] = None,
    down_to: Annotated[
        str | None,
        typer.Option(
            metavar="REVISION",
            help="Development only: revert all revisions except this one and those that it "
            "depends on; `base` reverts all.",
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only print the revisions to apply or revert.")
    ] = False,
) -> None:
    """Migrate the database schema to the head of a branch.

    `expand` makes additions that the running code tolerates: run it before new code starts.
    `contract` removes what only older code needs: run it when no older code runs any more. If
    several migrations run at once, one does the work; the others wait for it and then have nothing
    to do.

    To roll back a release, release the older image: it works on the newer schema. `--down-to`
    loses data and works only in development, to test new revisions.

    Exit codes: 0 done or nothing to do, 1 failed, 75 a lock is held elsewhere: retry.
    """

    async def work(settings: Settings) -> CommandResult:
        request = _request(settings, to, down_to)
        return await (_plan(settings, request) if plan else _migrate(settings, request))

    if (to is None) == (down_to is None):
        msg = "say either --to expand, --to contract or --down-to REVISION"
        raise typer.BadParameter(msg)
    run_command(
        "migrate", lambda settings: run_interruptible(work(settings)), enforced=OF_THE_DATABASE
    )


def _request(settings: Settings, to: Branch | None, down_to: str | None) -> Migration:
    """Make a request of the options; raises SettingsError for one that the environment rejects."""
    if to is not None:
        return Migration(to, settings.migration_lock_seconds)
    if settings.environment is not Environment.DEVELOPMENT:
        msg = (
            "--down-to loses data and is for development only: to take a release back, "
            "release the older image, which works on the newer schema."
        )
        raise SettingsError(msg)
    seconds = settings.migration_lock_seconds
    return Migration(str(down_to), seconds, direction=Direction.DOWN)


async def _migrate(settings: Settings, request: Migration) -> CommandResult:
    from bookstore_api.shop.domains import self_test  # noqa: PLC0415 - it takes time to load

    async with open_direct_database(settings) as database:
        return await schema.migrate(database, request, self_test)


async def _plan(settings: Settings, request: Migration) -> CommandResult:
    async with open_direct_database(settings) as database:
        outcome, steps = await schema.plan(database, request)
    for revision in steps:
        typer.echo(f"{revision.id}: {revision.summary}")
    return outcome
