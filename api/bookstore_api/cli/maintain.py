"""`bookstore-api maintain`."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from bookstore_api.cli.command import open_direct_database, run_command
from bookstore_api.db.errors import ERRORS, DatabaseUnavailableError, explain
from bookstore_api.process.interrupt import run_interruptible
from bookstore_api.process.result import CommandResult
from bookstore_api.settings import Settings
from bookstore_api.settings.policy import OF_THE_DATABASE

if TYPE_CHECKING:
    from bookstore_api.db.sqlstates import Failure

COMMAND = "maintain"


def maintain(
    seconds: Annotated[
        int, typer.Option(min=1, max=3600, help="After this time, leave the rest to the next run.")
    ] = 240,
) -> None:
    """Do what is due in the shop's database: end what has expired, delete what nobody needs.

    Each step is a short transaction, so it can be killed at any time, and run twice at once.

    Exit codes: 0 done, or the rest is left to the next run; 1 failed.
    """
    run_command(
        COMMAND,
        lambda settings: run_interruptible(_maintain(settings, seconds)),
        enforced=OF_THE_DATABASE,
    )


async def _maintain(settings: Settings, seconds: int) -> CommandResult:
    from bookstore_api.shop import maintenance  # noqa: PLC0415 - it takes time to load

    deadline = time.monotonic() + seconds
    async with open_direct_database(settings) as database:
        try:
            report = await maintenance.run(database, until=lambda: time.monotonic() > deadline)
        except DatabaseUnavailableError as error:
            return _failed(error.failure)
        except ERRORS as error:
            return _failed(explain(error))
    counts = ", ".join(f"{name}: {count:,}" for name, count in report.counts.items())
    rest = "" if report.complete else f" The rest is left to the next run: {seconds} s were over."
    details = {"counts": report.counts, "complete": report.complete}
    return CommandResult(COMMAND, "maintained", f"Done in {counts}.{rest}", details=details)


def _failed(failure: "Failure") -> CommandResult:
    return CommandResult(COMMAND, failure.outcome, failure.message)
