"""How many statements a read of the catalog takes: as many for a page of 20 as for one of 2."""

from collections.abc import Iterator

import httpx
import pytest

from bookstore_api.settings import Settings
from bookstore_api.shop.catalog.isbn import make_isbn
from tests.support.bookstore import app_of, served
from tests.support.queries import recorded

V1 = "/api/v1"
BOOKS = 20
AT_MOST = {f"{V1}/books": 4, f"{V1}/authors": 2, f"{V1}/publishers": 2, f"{V1}/categories": 2}
"""One of them is SQLite's BEGIN."""


@pytest.fixture
def client(settings: Settings) -> Iterator[httpx.Client]:
    with served(app_of(settings)) as client:
        parent = None
        for number in range(BOOKS):
            publisher = client.post(f"{V1}/publishers", json={"name": f"Publisher {number}"})
            category = client.post(
                f"{V1}/categories", json={"name": f"Category {number}", "parent_id": parent}
            ).json()
            parent = parent or category["id"]
            book = {
                "isbn": make_isbn(number),
                "title": f"Volume {number}",
                "authors": [f"Author {number}", "Everybody"],
                "price": {"amount": "9.90", "currency": "EUR"},
                "publisher_id": publisher.json()["id"],
                "category_ids": [category["id"]],
            }
            assert client.post(f"{V1}/books", json=book).status_code == 201
        yield client


def test_a_longer_page_takes_no_more_statements(client: httpx.Client) -> None:
    for path in AT_MOST:
        assert client.get(path).status_code == 200  # from here on the cursors' keys are known
    for path, at_most in AT_MOST.items():
        counts = []
        for limit in (2, BOOKS):
            with recorded() as statements:
                page = client.get(path, params={"limit": limit}).json()
            assert len(page["items"]) == limit
            counts.append(len(statements))
        assert 0 < counts[0] == counts[1] <= at_most, path
    with recorded() as statements:
        book = client.get(f"{V1}/books", params={"limit": 1}).json()["items"][0]
        assert client.get(f"{V1}/books/{book['id']}").status_code == 200
    assert len(statements) <= 7
