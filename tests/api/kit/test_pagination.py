"""Walking a list from page to page, on both databases."""

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookstore_api.db.sort_text import to_sort_text
from bookstore_api.shop.catalog.isbn import make_isbn
from tests.support.bookstore import Served, execute
from tests.support.examples import scaled

BOOKS = "/api/v1/books"
# Few letters, so that titles collide, differ in case, accent and width only, or contain SQL's own.
LETTERS = (
    "aAbBáÁäßzZ 0%_'\\😀\N{COMBINING ACUTE ACCENT}\N{FULLWIDTH DIGIT ZERO}"
    "\N{LATIN SMALL LETTER DOTLESS I}\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}"
)
TITLES = st.one_of(st.sampled_from(["a", "A", "Á"]), st.text(st.sampled_from(LETTERS), min_size=1))


@pytest.fixture
def both(sqlite_server: Served, postgresql_server: Served) -> list[Served]:
    return [sqlite_server, postgresql_server]


def fill(server: Served, titles: list[str]) -> None:
    execute(server.url, "DELETE FROM books")
    for number, title in enumerate(titles):
        body = {
            "isbn": make_isbn(number),
            "title": title,
            "authors": ["A"],
            "price": {"amount": "1", "currency": "EUR"},
        }
        assert server.client.post(BOOKS, json=body).status_code == 201


def walk(client: httpx.Client, limit: int) -> list[dict[str, str]]:
    """Every book, page by page; a page but the last is full."""
    books: list[dict[str, str]] = []
    after: dict[str, str] = {}
    while True:
        page = client.get(BOOKS, params={"limit": str(limit)} | after).json()
        books += page["items"]
        if page["next"] is None:
            return books
        assert len(page["items"]) == limit
        after = {"after": page["next"]}


@pytest.mark.invariant
@settings(
    max_examples=scaled(15),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(TITLES.filter(str.strip), max_size=12), st.integers(1, 5))
def test_a_walk_meets_every_book_once_in_the_same_order_on_both(
    both: list[Served], titles: list[str], limit: int
) -> None:
    orders = []
    for server in both:
        fill(server, titles)
        books = walk(server.client, limit)
        assert sorted(book["title"] for book in books) == sorted(map(str.strip, titles))
        places = [(to_sort_text(book["title"]).encode(), book["id"]) for book in books]
        assert places == sorted(places)
        orders.append([place for place, _ in places])
    assert orders[0] == orders[1]


@pytest.mark.invariant
def test_a_walk_misses_no_book_that_stays_while_others_come_and_go(both: list[Served]) -> None:
    for server in both:
        fill(server, [f"Title {number:02d}" for number in range(10)])
        first = server.client.get(BOOKS, params={"limit": 4}).json()
        gone = first["items"][-1]["id"]
        assert server.client.delete(f"{BOOKS}/{gone}").status_code == 204
        rest = server.client.get(BOOKS, params={"after": first["next"], "limit": 100}).json()
        assert [book["title"] for book in rest["items"]] == [f"Title {n:02d}" for n in range(4, 10)]
        assert rest["next"] is None
