"""`bookstore-api seed`."""

import sys
from typing import Annotated

import typer

from bookstore_api.cli.command import open_direct_database, run_command
from bookstore_api.process.interrupt import run_interruptible
from bookstore_api.process.result import CommandResult
from bookstore_api.settings import Settings
from bookstore_api.settings.policy import OF_THE_DATABASE

MAX_BOOKS = 10_000_000


def seed(
    books: Annotated[int, typer.Option(min=1, max=MAX_BOOKS, help="How many books.")] = 100,
) -> None:
    """Fill the catalog with made-up books, for demonstrations.

    Running it again changes nothing, and with a larger number adds the rest.

    Exit codes: 0 seeded, 1 failed.
    """
    run_command(
        "seed",
        lambda settings: run_interruptible(_seed(settings, books)),
        enforced=OF_THE_DATABASE,
    )


async def _seed(settings: Settings, books: int) -> CommandResult:
    from bookstore_api.kit.sessions import Writer  # noqa: PLC0415 - it takes time to load
    from bookstore_api.shop.catalog import importing, seeding  # noqa: PLC0415

    added = 0
    async with open_direct_database(settings) as database:
        with typer.progressbar(length=books, label="Books", file=sys.stderr) as progress:
            for begin in range(0, books, importing.BATCH_ROWS):
                numbers = range(begin, min(begin + importing.BATCH_ROWS, books))
                rows = [seeding.make_row(number) for number in numbers]
                results = await importing.import_batch(rows, Writer(database))
                added += sum(result.outcome is importing.Outcome.CREATED for result in results)
                progress.update(len(rows))
    message = f"The catalog has {books:,} made-up books, {added:,} of them new."
    return CommandResult("seed", "seeded", message, details={"books": books, "added": added})
