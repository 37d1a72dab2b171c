"""A release from the API of one table of books: both work on the schema between them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bookstore_api.db.schema.tree import Branch
from tests.api.shop.catalog.test_books import BOOKS, book, problem
from tests.support.bookstore import Process, apply_schema, environment, execute, served_on
from tests.support.previous import older_api


@contextmanager
def older_code_on(url: str, folder: Path) -> Iterator[httpx.Client]:
    """Serve the API of before on a database; it must find the schema compatible."""
    path = {"PYTHONPATH": str(older_api(folder))}
    process = Process(environment(url, folder) | path, folder, module="bookstore_api.__main__")
    try:
        process.wait_until_ready()
        with httpx.Client(base_url=process.url, timeout=20) as client:
            assert "publisher_id" not in client.get("/openapi.json").text
            yield client
    finally:
        process.close()


@pytest.mark.invariant
def test_old_and_new_code_serve_the_same_books(empty_url: str, tmp_path: Path) -> None:
    apply_schema(empty_url)
    with older_code_on(empty_url, tmp_path) as older, served_on(empty_url) as served:
        new = served.client
        of_older = [older.post(BOOKS, json=book(number)).json() for number in range(3)]
        for one in of_older:
            assert new.get(f"{BOOKS}/{one['id']}").json() == one | nothing()
        cursor = older.get(BOOKS, params={"limit": 1}).json()["next"]
        rest = new.get(BOOKS, params={"after": cursor}).json()["items"]
        assert len(rest) == 2

        of_new = new.post(BOOKS, json=book(9, description="Rare words")).json()
        path = f"{BOOKS}/{of_new['id']}"
        assert older.get(path).json() == {k: v for k, v in of_new.items() if k not in nothing()}
        assert older.patch(path, json={"title": "Retitled"}).status_code == 200
        assert new.get(path).json()["description"] == "Rare words"
        assert new.get(path).json()["title"] == "Retitled"

        first, second, third = (f"{BOOKS}/{one['id']}" for one in of_older)
        changed = new.patch(first, json={"language": "en"})
        assert (changed.status_code, changed.json()["language"]) == (200, "en")
        assert older.delete(first).status_code == 204
        problem(new.get(first), 404)
        assert new.delete(second).status_code == 204
        problem(older.get(second), 404)  # for good: older code would show it
        assert older.post(BOOKS, json=book(1)).status_code == 201
        problem(new.post(BOOKS, json=book(1)), 409)
        problem(older.post(BOOKS, json=book(2)), 409)
        assert older.patch(third, json={"authors": ["Somebody Else"]}).status_code == 200


def nothing() -> dict[str, object]:
    """What a book has that older code has written."""
    return {"description": None, "language": None, "publisher_id": None, "category_ids": []}


@pytest.mark.invariant
def test_what_older_code_wrote_is_found_once_it_is_gone(empty_url: str, tmp_path: Path) -> None:
    apply_schema(empty_url)
    with older_code_on(empty_url, tmp_path) as older:
        one = older.post(BOOKS, json=book(1, title="Žižek", authors=["José", "B"])).json()
    with served_on(empty_url) as served:
        two = served.client.post(BOOKS, json=book(2, title="Before")).json()
    with older_code_on(empty_url, tmp_path) as older:
        path = f"{BOOKS}/{two['id']}"
        assert older.patch(path, json={"title": "After", "authors": ["C"]}).status_code == 200
    apply_schema(empty_url, Branch.CONTRACT)
    with served_on(empty_url) as served:
        api = served.client

        def found(**query: str) -> list[str]:
            return [item["id"] for item in api.get(BOOKS, params=query).json()["items"]]

        assert (found(q="zizek"), found(q="jose b")) == ([one["id"]], [one["id"]])
        assert (found(q="before"), found(q="after")) == ([], [two["id"]])
        authors = {item["name"]: item["id"] for item in api.get("/api/v1/authors").json()["items"]}
        assert authors.keys() == {"José", "B", "C"}
        assert found(author=authors["C"]) == [two["id"]]
        assert api.delete(f"{BOOKS}/{one['id']}").status_code == 204
        assert api.post(BOOKS, json=book(1)).status_code == 201
    assert execute(empty_url, "SELECT count(*) FROM books WHERE deleted_at IS NOT NULL") == [(1,)]
