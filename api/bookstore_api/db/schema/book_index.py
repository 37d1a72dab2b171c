"""Write by which words and authors books are found, in SQL that needs no models.

Each statement looks at the book's version again, under its lock: a book that is changed meanwhile
has what the code that changed it has written.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa

from bookstore_api.db.book_document import author_names, to_document
from bookstore_api.db.sort_text import to_sort_text
from bookstore_api.db.stored import read_json

_BOOK = "FROM books b WHERE b.id = :book AND b.version = :version"
_ADD_AUTHOR = (
    "INSERT INTO authors (id, name, sort_name, version, created_at, updated_at) "
    "VALUES (:id, :name, :sort_name, 1, :now, :now) ON CONFLICT (name) DO NOTHING"
)
_UNLINK = f"DELETE FROM book_authors WHERE book_id IN (SELECT b.id {_BOOK}{{lock}})"  # noqa: S608
_LINK = (
    "INSERT INTO book_authors (book_id, position, author_id) "
    "SELECT b.id, :position, a.id FROM books b, authors a "
    "WHERE b.id = :book AND b.version = :version AND a.name = :name{lock} "
    "ON CONFLICT (book_id, position) DO NOTHING"
)
_ADD_DOCUMENT = (
    f"INSERT INTO book_details (book_id, document) SELECT b.id, :document {_BOOK}{{lock}} "
    "ON CONFLICT (book_id) DO UPDATE SET document = excluded.document"
)


class _Book(NamedTuple):
    """A book as it is stored, and what it is found by at the moment."""

    id: Any
    version: Any
    title: str
    authors: tuple[str, ...]
    description: str | None
    document: str | None

    @property
    def right_document(self) -> str:
        """The words that it should be found by."""
        return to_document(self.title, self.authors, self.description)


def index_range(connection: sa.Connection, rows: str, values: dict[str, object]) -> None:
    """Index the books of a range, a condition on `books` and its values."""
    books = _read_books(connection, rows, values)
    linked = _read_links(connection, rows, values)
    lock = " FOR UPDATE OF b" if connection.dialect.name == "postgresql" else ""
    unlinked = [book for book in books if linked.get(book.id, ()) != book.authors]
    _run(connection, _ADD_AUTHOR, _new_authors(unlinked))
    _run(connection, _UNLINK.format(lock=lock), map(_key, unlinked))
    links = (
        _key(book) | {"position": position, "name": name}
        for book in unlinked
        for position, name in enumerate(book.authors)
    )
    _run(connection, _LINK.format(lock=lock), links)
    documents = (
        _key(book) | {"document": book.right_document}
        for book in books
        if book.document != book.right_document
    )
    _run(connection, _ADD_DOCUMENT.format(lock=lock), documents)


def _key(book: _Book) -> dict[str, object]:
    return {"book": book.id, "version": book.version}


def _read_books(connection: sa.Connection, rows: str, values: dict[str, object]) -> Sequence[_Book]:
    select = (
        "SELECT b.id, b.version, b.title, b.authors, d.description, d.document "  # noqa: S608
        f"FROM (SELECT * FROM books WHERE {rows}) b LEFT JOIN book_details d ON d.book_id = b.id"
    )
    return [
        _Book(id_, version, str(title), author_names(read_json(authors)), description, document)
        for id_, version, title, authors, description, document in connection.execute(
            sa.text(select), values
        )
    ]


def _read_links(
    connection: sa.Connection, rows: str, values: dict[str, object]
) -> dict[Any, tuple[str, ...]]:
    select = (
        "SELECT l.book_id, a.name FROM book_authors l JOIN authors a ON a.id = l.author_id "  # noqa: S608
        f"WHERE l.book_id IN (SELECT id FROM books WHERE {rows}) ORDER BY l.book_id, l.position"
    )
    links = connection.execute(sa.text(select), values)
    return {
        book: tuple(name for _, name in group) for book, group in groupby(links, lambda row: row[0])
    }


def _new_authors(books: Iterable[_Book]) -> list[dict[str, object]]:
    now = sa.bindparam("now", datetime.now(UTC)).value
    names = sorted({name for book in books for name in book.authors})
    return [
        {"id": uuid4(), "name": name, "sort_name": to_sort_text(name), "now": now} for name in names
    ]


def _run(connection: sa.Connection, statement: str, values: Iterable[dict[str, object]]) -> None:
    """Run a statement with each of the values; the types are those of the columns."""
    if rows := list(values):
        typed = sa.text(statement)
        if ":id" in statement:
            typed = typed.bindparams(
                sa.bindparam("id", type_=sa.Uuid()),
                sa.bindparam("now", type_=sa.DateTime(timezone=True)),
            )
        connection.execute(typed, rows)
