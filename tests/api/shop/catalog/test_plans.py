"""How many pages of the database a read touches: as many with ten times the books."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import Executable, Select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from bookstore_api.db.sessions import ReadSession, open_database
from bookstore_api.kit.cursors import Place
from bookstore_api.settings import Settings
from bookstore_api.shop.catalog.query import BookQuery, Sort
from bookstore_api.shop.catalog.search import page_of_books
from tests.bench.http.data import STATEMENTS
from tests.support.postgres import Postgres, query

FEW, MANY = 600, 6000
PAGE = 21
# An index has a level more, and a page more of it is read, where it is ten times as large.
MORE_PAGES = 6
AUTHORS = (
    "INSERT INTO authors (id, name, sort_name, version, created_at, updated_at) "
    "SELECT lpad(to_hex(n), 32, '0')::uuid, 'author ' || n, 'author ' || n, 1, now(), now() "
    "FROM generate_series(1, $1::int) n"
)
LINKS = "INSERT INTO book_authors (book_id, position, author_id) SELECT id, 0, id FROM books"
MIDDLE = Place("8", UUID(int=0))
READS = {
    "first page": (BookQuery(), None),
    "deep cursor": (BookQuery(), MIDDLE),
    "backwards": (BookQuery(sort=Sort.TITLE_DESCENDING), None),
    "backwards, deep cursor": (BookQuery(sort=Sort.TITLE_DESCENDING), MIDDLE),
    "newest first": (BookQuery(sort=Sort.CREATED_DESCENDING), None),
    "oldest first, deep cursor": (
        BookQuery(sort=Sort.CREATED),
        Place(0, UUID(int=FEW // 2)),
    ),
    "by ISBN": (BookQuery(isbn=f"{FEW // 2:013}"), None),
    "by one author": (BookQuery(author=UUID(int=7)), None),
}


class Explained(Executable, ClauseElement):
    """A statement, of which the plan is asked for."""

    inherit_cache = False

    def __init__(self, statement: Select[*tuple[object, ...]]) -> None:
        self.statement = statement


@compiles(Explained)
def _explain(element: Explained, compiler: SQLCompiler, **options: object) -> str:
    statement = compiler.process(element.statement, **options)
    return f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"


@contextmanager
def catalog(postgres: Postgres, template: str, books: int) -> Iterator[str]:
    """A database with so many books, each by an author of its own."""
    with postgres.database(template) as url:
        query(url, AUTHORS, books)
        query(url, STATEMENTS[0], 1, books)
        query(url, LINKS)
        query(url, "VACUUM ANALYZE")
        yield url


def pages_of(url: str) -> dict[str, int]:
    """How many pages each read touches, when it is asked the second time."""

    async def explain(session: ReadSession) -> dict[str, int]:
        pages = {}
        for name, (wanted, after) in READS.items():
            statement = page_of_books(wanted, after, PAGE, dialect="postgresql")
            for _ in range(2):
                raw = (await session.execute(Explained(statement))).scalar_one()
            plan = (json.loads(raw) if isinstance(raw, str) else raw)[0]["Plan"]
            pages[name] = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return pages

    async def run() -> dict[str, int]:
        database = open_database(Settings.model_validate({"database_url": url}))
        try:
            return await database.read(explain)
        finally:
            await database.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def touched(postgres: Postgres, migrated_template: str) -> dict[str, tuple[int, int]]:
    with (
        catalog(postgres, migrated_template, FEW) as few,
        catalog(postgres, migrated_template, MANY) as many,
    ):
        small, large = pages_of(few), pages_of(many)
    return {name: (small[name], large[name]) for name in READS}


@pytest.mark.parametrize("name", READS)
def test_a_read_touches_as_much_of_ten_times_the_books(
    touched: dict[str, tuple[int, int]], name: str
) -> None:
    few, many = touched[name]
    assert many <= few + MORE_PAGES
    assert many <= PAGE * 3
