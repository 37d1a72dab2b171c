"""Import books: each row adds a book or changes the one with its ISBN.

A batch of rows is a transaction, so an import of any length holds no lock for long, and one that
was cut off is run again: rows that are stored already change nothing.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.etags import next_version
from bookstore_api.kit.problems import InvalidField
from bookstore_api.kit.sessions import Writer
from bookstore_api.shop.catalog import named_repository, repository, service
from bookstore_api.shop.catalog.csv_format import InvalidRow, Row, RowReader, ValidRow, parse_row
from bookstore_api.shop.catalog.models import Book, Publisher
from bookstore_api.shop.catalog.named_service import create_named

BATCH_ROWS = 200
ATTEMPTS = 3
"""How often a batch is tried while others add books with the same ISBNs."""
DETAILS = ("published_on", "description", "language")


class Outcome(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True)
class RowResult:
    """A row of the report: the line that it begins at, what became of it, and why it failed."""

    line: int
    outcome: Outcome
    errors: Sequence[InvalidField] = ()


@dataclass
class Report:
    """How many rows had which outcome; each row is passed to `on_row`."""

    on_row: Callable[[RowResult], None]
    counts: Counter[Outcome] = field(default_factory=Counter)

    def add(self, results: Sequence[RowResult]) -> None:
        """Count the rows of a batch."""
        for result in results:
            self.counts[result.outcome] += 1
            self.on_row(result)


class _DryRunError(Exception):
    """A batch is rolled back, whose results these are."""

    def __init__(self, results: Sequence[RowResult]) -> None:
        self.results = results


async def import_csv(
    chunks: AsyncIterator[bytes], write: Writer, report: Report, *, dry_run: bool
) -> None:
    """Import the bytes of a file as they come; raises CsvError, after the batches before it.

    A dry run does the same and rolls each batch back: of two rows with one ISBN that are far from
    each other, it tells that both would add a book.
    """
    reader, rows = RowReader(), list[Row]()
    async for chunk in chunks:
        rows += reader.feed(chunk)
        while len(rows) >= BATCH_ROWS:
            batch, rows = rows[:BATCH_ROWS], rows[BATCH_ROWS:]
            await _import_rows(batch, write, report, dry_run=dry_run)
    rows += reader.feed(b"", last=True)
    for begin in range(0, len(rows), BATCH_ROWS):
        await _import_rows(rows[begin : begin + BATCH_ROWS], write, report, dry_run=dry_run)


async def _import_rows(
    rows: Sequence[Row], write: Writer, report: Report, *, dry_run: bool
) -> None:
    parsed = [parse_row(row) for row in rows]
    failed = [
        RowResult(row.line, Outcome.FAILED, row.errors)
        for row in parsed
        if isinstance(row, InvalidRow)
    ]
    valid = [row for row in parsed if isinstance(row, ValidRow)]
    done = await import_batch(valid, write, dry_run=dry_run)
    report.add(sorted([*done, *failed], key=lambda result: result.line))


async def import_batch(
    rows: Sequence[ValidRow], write: Writer, *, dry_run: bool = False
) -> Sequence[RowResult]:
    """Store a batch in a transaction; raises DuplicateIsbnError where others keep adding them."""

    async def work(session: WriteSession) -> Sequence[RowResult]:
        results = await _store(session, rows)
        if dry_run:
            raise _DryRunError(results)
        return results

    for attempt in range(ATTEMPTS):
        try:
            return await write(work)
        except _DryRunError as dry:
            return dry.results
        except repository.DuplicateIsbnError:  # added since it was looked for
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError


async def _store(session: WriteSession, rows: Sequence[ValidRow]) -> Sequence[RowResult]:
    publishers = await _publishers(session, {row.publisher for row in rows if row.publisher})
    books = await repository.find_by_isbns(session, {row.book.isbn for row in rows})
    now, results = datetime.now(UTC), list[RowResult]()
    changed: dict[str, Book] = {}
    versions = {isbn: book.version for isbn, book in books.items()}
    for row in rows:
        fields, isbn = _fields(row, publishers), row.book.isbn
        if isbn not in books:
            books[isbn] = changed[isbn] = service.new_book(fields, now)
            results.append(RowResult(row.line, Outcome.CREATED))
        elif service.set_fields(books[isbn], fields):
            changed[isbn] = books[isbn]
            results.append(RowResult(row.line, Outcome.UPDATED))
        else:
            results.append(RowResult(row.line, Outcome.UNCHANGED))
    for isbn, book in changed.items():
        if isbn in versions:
            book.version, book.updated_at = next_version(versions[isbn]), now
    await service.save_books(session, *changed.values())
    return results


def _fields(row: ValidRow, publishers: dict[str, UUID]) -> dict[str, Any]:
    """Return the columns to write: those of a column that the file lacks stay as they are."""
    columns = row.book.columns()
    for name in DETAILS:
        if name not in row.columns:
            del columns[name]
    del columns["publisher_id"]
    if "publisher" in row.columns:
        columns["publisher_id"] = publishers[row.publisher] if row.publisher else None
    return columns


async def _publishers(session: WriteSession, names: set[str]) -> dict[str, UUID]:
    """Return the ids of publishers by name; those that are new are added."""
    ids: dict[str, UUID] = await named_repository.ids_of_publishers(session, names)
    for name in sorted(names - ids.keys()):
        ids[name] = (await create_named(session, Publisher, name)).id
    return ids
