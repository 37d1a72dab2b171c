"""A CSV import to compare with: each row is validated by the API's own model, then all is COPYed.

python -m tests.bench.http.csv_script FILE    (the database is DATABASE_URL)
"""

import asyncio
import csv
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from bookstore_api.db.sort_text import to_sort_text
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.catalog.csv_format import COLUMNS, Row, ValidRow, parse_row
from bookstore_api.shop.catalog.isbn import make_isbn

OURS = ("-m", "bookstore_api", "import-books")
THEIRS = ("-m", "tests.bench.http.csv_script")
_BOOK = (
    "id", "isbn", "title", "sort_title", "authors", "published_on", "price_minor", "currency",
    "version", "created_at", "updated_at",
)  # fmt: skip


def write_file(path: Path, rows: int) -> Path:
    """Write a file of made-up books."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for number in range(rows):
            writer.writerow(
                dict.fromkeys(COLUMNS, "")
                | {
                    "isbn": make_isbn(number),
                    "title": f"Volume {number}",
                    "authors": f"Author {number % 500}",
                    "amount": "9.90",
                    "currency": "EUR",
                    "description": "A story.",
                    "language": "en",
                }
            )
    return path


def seconds(command: tuple[str, ...], url: str, file: Path, folder: Path) -> float:
    """Run an import as a process; return how long it took."""
    given = {
        "BOOKSTORE_DATABASE_URL": url,
        "BOOKSTORE_SECRETS_DIR": str(folder / "no-secrets"),
        "DATABASE_URL": url,
    }
    began = time.monotonic()
    subprocess.run(
        [sys.executable, *command, str(file)],
        env={**os.environ, **given},
        check=True,
        capture_output=True,
    )
    return time.monotonic() - began


async def _copy(path: str) -> None:
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    now, records = datetime.now(UTC), []
    with open(path, newline="", encoding="utf-8") as file:  # noqa: ASYNC230, PTH123 - a script
        for number, cells in enumerate(csv.DictReader(file), 2):
            row = parse_row(Row(number, cells))
            if not isinstance(row, ValidRow):
                raise SystemExit(str(row))
            records.append(_record(row, now))
    await connection.copy_records_to_table("books", records=records, columns=_BOOK)
    await connection.close()


def _record(row: ValidRow, now: datetime) -> tuple[object, ...]:
    book = row.book.columns()
    return (
        new_id(),
        book["isbn"],
        book["title"],
        to_sort_text(book["title"]),
        json.dumps(book["authors"]),
        book["published_on"],
        book["price_minor"],
        book["currency"],
        1,
        now,
        now,
    )


if __name__ == "__main__":
    asyncio.run(_copy(sys.argv[1]))
