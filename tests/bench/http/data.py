"""A catalog of any size, made by the database itself: 1 million books take about a minute."""

import random
from collections.abc import Sequence

from bookstore_api.db.schema.tree import Branch
from tests.support.bookstore import apply_schema
from tests.support.postgres import OwnPostgres, query

BATCH = 100_000
BOOKS = "/api/v1/books"
STATEMENTS = (
    "INSERT INTO books (id, isbn, title, sort_title, authors, published_on, price_minor, currency, "
    "version, created_at, updated_at) SELECT lpad(to_hex(n), 32, '0')::uuid, "
    "lpad(n::text, 13, '0'), 'The Left Hand of Darkness, volume ' || md5(n::text), md5(n::text), "
    "'[\"Ursula K. Le Guin\"]', date '1950-01-01' + n % 20000, n % 9000, 'EUR', 1, now(), now() "
    "FROM generate_series($1::int, $2::int) n",
    "INSERT INTO book_details (book_id, publisher_id, description, language, document) "
    "SELECT lpad(to_hex(n), 32, '0')::uuid, md5('publisher' || n % 50)::uuid, "
    "'A story of ' || md5(n::text), (ARRAY['en', 'fr', 'de', 'es'])[n % 4 + 1], "
    "'the left hand of darkness volume ' || md5(n::text) || ' word' || n % 1000 "
    "FROM generate_series($1::int, $2::int) n",
    "INSERT INTO book_authors (book_id, position, author_id) "
    "SELECT lpad(to_hex(n), 32, '0')::uuid, 0, md5('author' || n % 5000)::uuid "
    "FROM generate_series($1::int, $2::int) n",
    "INSERT INTO book_categories (book_id, category_id) "
    "SELECT lpad(to_hex(n), 32, '0')::uuid, md5('category' || n % 100)::uuid "
    "FROM generate_series($1::int, $2::int) n",
)
_NAMED = (
    "INSERT INTO {table} (id, name, sort_name, version, created_at, updated_at) "
    "SELECT md5('{word}' || n)::uuid, '{word} ' || n, '{word} ' || lpad(n::text, 5, '0'), 1, "
    "now(), now() FROM generate_series(0, {last}) n"
)


def fill(url: str, books: int) -> None:
    """Make the schema and so many books, with authors, publishers and categories."""
    for branch in Branch:
        apply_schema(url, branch)
    for table, word, count in (
        ("authors", "author", 5000),
        ("publishers", "publisher", 50),
        ("categories", "category", 100),
    ):
        query(url, _NAMED.format(table=table, word=word, last=count - 1))
    for begin in range(0, books, BATCH):
        for statement in STATEMENTS:
            query(url, statement, begin + 1, min(books, begin + BATCH))
    query(url, "ANALYZE")


def book_path(number: int) -> str:
    """Return the path of a book."""
    text = f"{number:032x}"
    return f"{BOOKS}/{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def drawn_paths(books: int, count: int) -> Sequence[str]:
    """Draw books, a few of them often (by Zipf's law); always the same ones."""
    chance = random.Random(1)  # noqa: S311 - a draw for a measurement
    weights = [1 / rank for rank in range(1, books + 1)]
    return [book_path(number + 1) for number in chance.choices(range(books), weights, k=count)]


def server_pid(server: OwnPostgres) -> int:
    """Return the process id of a server."""
    process = server._process
    assert process is not None
    return process.pid
