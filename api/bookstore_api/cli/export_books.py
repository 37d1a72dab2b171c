"""`bookstore-api export-books`."""

from pathlib import Path
from typing import Annotated

import typer

from bookstore_api.cli.command import open_direct_database, run_command
from bookstore_api.process.interrupt import run_interruptible
from bookstore_api.process.result import CommandResult
from bookstore_api.settings import Settings
from bookstore_api.settings.policy import OF_THE_DATABASE


def export_books(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The CSV file to write.")],
) -> None:
    """Export all books to a CSV file, which `import-books` reads.

    Exit codes: 0 exported, 1 failed.
    """
    run_command(
        "export-books",
        lambda settings: run_interruptible(_export(settings, file)),
        enforced=OF_THE_DATABASE,
    )


async def _export(settings: Settings, file: Path) -> CommandResult:
    from bookstore_api.kit.sessions import Reader  # noqa: PLC0415 - it takes time to load
    from bookstore_api.shop.catalog.exporting import export_csv  # noqa: PLC0415

    partial = file.with_name(file.name + ".partial")
    try:
        with partial.open("wb") as target:
            async with open_direct_database(settings) as database:
                async for batch in export_csv(Reader(database)):
                    target.write(batch)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return CommandResult("export-books", "exported", f"Exported to {file.name}.")
