"""Books as CSV (RFC 4180): what is exported can be imported again. Pure functions.

Spreadsheets run a cell that begins like a formula, so such a cell gets an apostrophe in front, and
loses it when it is read.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from bookstore_api.kit.problems import InvalidField, invalid_fields
from bookstore_api.shop.catalog.schemas import BookCreate, BookRead

REQUIRED = ("isbn", "title", "authors", "amount", "currency")
OPTIONAL = ("published_on", "description", "language", "publisher")
COLUMNS = (*REQUIRED, *OPTIONAL)
MEDIA_TYPE = "text/csv"
MAX_ROW = 100_000
"""The longest row, in characters: a quote that is never closed would make one of all the rest."""
_BETWEEN_AUTHORS = "|"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


class CsvError(ValueError):
    """The file can't be read as it is; the message says why and what to do."""


class Row(NamedTuple):
    """A row as it was read: the line that it begins at, and its cells by column."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class ValidRow:
    """A row that is a book; `columns` are those that the file has."""

    line: int
    book: BookCreate
    publisher: str | None
    columns: frozenset[str]


@dataclass(frozen=True)
class InvalidRow:
    """A row that is none, and why."""

    line: int
    errors: Sequence[InvalidField]


class RowReader:
    """Reads rows from the bytes of a file as they come, and keeps no more than the last row."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._row = ""
        self._line = self._row_line = 0
        self._header: Sequence[str] = ()
        self._delimiter = ","

    def feed(self, data: bytes, *, last: bool = False) -> list[Row]:
        """Return the rows that are whole by now; raises CsvError."""
        try:
            self._text += self._decoder.decode(data, final=last)
        except UnicodeDecodeError:
            msg = f"After line {self._line}: not in UTF-8. Save the file as CSV UTF-8."
            raise CsvError(msg) from None
        *lines, self._text = self._text.split("\n")
        if last and self._text:
            lines.append(self._text)
        if len(self._text) + len(self._row) > MAX_ROW:
            raise self._too_long()
        rows = [row for line in lines for row in self._add(line)]
        if last and self._row:
            msg = f"Line {self._row_line}: a quote is opened and never closed."
            raise CsvError(msg)
        if last and not self._header:
            msg = f"The file is empty. The first line names the columns: {', '.join(COLUMNS)}."
            raise CsvError(msg)
        return rows

    def _add(self, line: str) -> Iterator[Row]:
        """Add a line; a row goes on as long as a quote is open."""
        self._line += 1
        if not self._row:
            self._row_line = self._line
        self._row += f"{line}\n"
        if len(self._row) > MAX_ROW:
            raise self._too_long()
        if self._row.count('"') % 2:
            return
        row, self._row = self._row, ""
        if not row.strip():
            return
        if not self._header:
            self._header = self._read_header(row)
            return
        cells = self._split(row)
        if len(cells) != len(self._header):
            msg = (
                f"Line {self._row_line} has {len(cells)} cells, the first line {len(self._header)}."
            )
            raise CsvError(msg)
        yield Row(self._row_line, dict(zip(self._header, map(_read_cell, cells), strict=True)))

    def _read_header(self, row: str) -> Sequence[str]:
        if row.count(";") > row.count(","):  # as spreadsheets write where a comma is in numbers
            self._delimiter = ";"
        names = [name.strip().lower() for name in self._split(row)]
        unknown = len([name for name in names if name not in COLUMNS])
        missing = [name for name in REQUIRED if name not in names]
        if unknown or missing or len(set(names)) < len(names):
            lacks = f" It lacks {', '.join(missing)}." if missing else ""
            msg = (
                f"The first line must name columns, each once, out of {', '.join(COLUMNS)}.{lacks}"
            )
            raise CsvError(msg)
        return names

    def _split(self, row: str) -> list[str]:
        try:
            [cells] = csv.reader(
                io.StringIO(row, newline=""), delimiter=self._delimiter, strict=True
            )
        except (csv.Error, ValueError):
            msg = f"Line {self._row_line} is no CSV: quotes within a cell are doubled."
            raise CsvError(msg) from None
        return cells

    def _too_long(self) -> CsvError:
        return CsvError(
            f"Line {self._row_line or self._line + 1}: a row has at most {MAX_ROW:,} characters. "
            "Is a quote not closed?"
        )


def parse_row(row: Row) -> ValidRow | InvalidRow:
    """Return the book of a row, or what is wrong with it."""
    cells = {name: value.strip() for name, value in row.cells.items()}
    fields: dict[str, Any] = {
        name: cells.get(name) or None for name in ("published_on", "description", "language")
    }
    names = cells["authors"].split(_BETWEEN_AUTHORS)
    fields |= {"isbn": cells["isbn"], "title": cells["title"]}
    fields["authors"] = [name.strip() for name in names]
    fields["price"] = {"amount": cells["amount"], "currency": cells["currency"]}
    try:
        book = BookCreate.model_validate(fields)
    except ValidationError as error:
        return InvalidRow(row.line, invalid_fields(error.errors()))
    return ValidRow(row.line, book, cells.get("publisher") or None, frozenset(cells))


def header() -> str:
    """Return the first line of an export."""
    return _write([COLUMNS])


def to_csv(books: Sequence[BookRead], publishers: Mapping[Any, str]) -> str:
    """Return the rows of books; `publishers` are their names by id."""
    return _write(
        [
            book.isbn,
            book.title,
            _BETWEEN_AUTHORS.join(book.authors),
            book.price.amount,
            book.price.currency,
            book.published_on.isoformat() if book.published_on else "",
            book.description or "",
            book.language or "",
            publishers.get(book.publisher_id, ""),
        ]
        for book in books
    )


def _write(rows: Any) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_write_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _write_cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _read_cell(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
