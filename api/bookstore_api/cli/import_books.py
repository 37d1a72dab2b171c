"""`bookstore-api import-books`."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from bookstore_api.cli.command import open_direct_database, run_command
from bookstore_api.process.interrupt import run_interruptible
from bookstore_api.process.result import CommandResult
from bookstore_api.settings import Settings
from bookstore_api.settings.policy import OF_THE_DATABASE

if TYPE_CHECKING:
    from bookstore_api.shop.catalog.importing import RowResult

CHUNK_BYTES = 64 * 1024


def import_books(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV in UTF-8.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report what would be done, and do nothing.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write what became of each row here, as JSON lines."),
    ] = None,
) -> None:
    """Import books from a CSV file: a row adds a book, or changes the one with its ISBN.

    Rows are stored 200 at a time: after an interruption run it again, it goes on.

    Exit codes: 0 all rows imported, 1 some failed, or the file can't be read.
    """
    run_command(
        "import-books",
        lambda settings: run_interruptible(_import(settings, file, report, dry_run=dry_run)),
        enforced=OF_THE_DATABASE,
    )


async def _import(
    settings: Settings, file: Path, report_file: Path | None, *, dry_run: bool
) -> CommandResult:
    from bookstore_api.kit.sessions import Writer  # noqa: PLC0415 - it takes time to load
    from bookstore_api.shop.catalog.csv_format import CsvError  # noqa: PLC0415
    from bookstore_api.shop.catalog.importing import Outcome, Report, import_csv  # noqa: PLC0415

    with ExitStack() as stack:
        source = stack.enter_context(file.open("rb"))
        lines = stack.enter_context(report_file.open("w")) if report_file else None
        report = Report(_writer_of(lines))
        bar = typer.progressbar(
            length=os.fstat(source.fileno()).st_size, label="Import", file=sys.stderr
        )
        progress = stack.enter_context(bar)
        failure = ""
        async with open_direct_database(settings) as database:
            chunks = _chunks(source, progress.update)
            try:
                await import_csv(chunks, Writer(database), report, dry_run=dry_run)
            except CsvError as error:
                failure = f" {error}"
    counts = {outcome.value: report.counts[outcome] for outcome in Outcome}
    counted = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
    message = f"{'Dry run: ' if dry_run else ''}{counted}.{failure}"
    failed = bool(failure) or report.counts[Outcome.FAILED] > 0
    return CommandResult(
        "import-books", "failed" if failed else "imported", message, details={"rows": counts}
    )


def _writer_of(lines: IO[str] | None) -> "Callable[[RowResult], None]":
    def write(result: "RowResult") -> None:
        if lines is not None:
            errors = [error.model_dump() for error in result.errors]
            lines.write(json.dumps(asdict(result) | {"errors": errors}) + "\n")

    return write


async def _chunks(source: IO[bytes], advance: Callable[[int], None]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(source.read, CHUNK_BYTES):
        yield chunk
        advance(len(chunk))
