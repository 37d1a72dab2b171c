"""Authors, publishers and categories over HTTP, on both databases, by a real server."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.shop.catalog.test_books import BOOKS, create, problem

AUTHORS, PUBLISHERS, CATEGORIES = (
    f"/api/v1/{name}" for name in ("authors", "publishers", "categories")
)
ANY = {"if-match": "*"}


def add(api: httpx.Client, path: str, name: str, **fields: Any) -> dict[str, Any]:
    answer = api.post(path, json={"name": f"{name} {uuid4().hex}", **fields})
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    assert api.get(answer.headers["location"]).json() == added
    return added


@pytest.mark.parametrize("path", [PUBLISHERS, CATEGORIES])
def test_one_is_created_read_renamed_and_deleted(api: httpx.Client, path: str) -> None:
    added = add(api, path, "Old")
    own = f"{path}/{added['id']}"
    etag = api.get(own).headers["etag"]
    problem(api.patch(own, json={"name": "New"}), 428)
    problem(api.delete(own), 428)
    problem(api.patch(own, json={"name": "New"}, headers={"if-match": '"7"'}), 412)
    new = f"New {uuid4().hex}"
    changed = api.patch(own, json={"name": new}, headers={"if-match": etag})
    assert (changed.status_code, changed.json()["name"]) == (200, new)
    assert api.get(own, headers={"if-none-match": changed.headers["etag"]}).status_code == 304
    problem(api.delete(own, headers={"if-match": etag}), 412)
    assert api.get(path, params={"name": new}).json()["items"] == [changed.json()]
    problem(api.post(path, json={"name": new}), 409)
    assert api.delete(own, headers={"if-match": changed.headers["etag"]}).status_code == 204
    problem(api.get(own), 404)


def test_a_book_refers_to_its_publisher_and_categories(api: httpx.Client) -> None:
    publisher, category = add(api, PUBLISHERS, "P"), add(api, CATEGORIES, "C")
    refers = {"publisher_id": publisher["id"], "category_ids": [category["id"]]}
    book = create(api, 1, description="Line\nby line", language="pt-BR", **refers)
    create(api, 2)
    assert book == book | refers
    own = f"{BOOKS}/{book['id']}"
    for query in (
        {"publisher": publisher["id"]},
        {"category": category["id"]},
        {"language": "pt-BR"},
    ):
        assert api.get(BOOKS, params=query).json()["items"] == [book]
    for path, row in ((PUBLISHERS, publisher), (CATEGORIES, category)):
        problem(api.delete(f"{path}/{row['id']}", headers=ANY), 409)
    gone = api.patch(own, json={"publisher_id": None, "category_ids": []}).json()
    assert (gone["publisher_id"], gone["category_ids"]) == (None, [])
    again = api.patch(own, json=refers).json()
    assert again == again | refers
    assert api.delete(own).status_code == 204
    for path, row in ((PUBLISHERS, publisher), (CATEGORIES, category)):
        assert api.delete(f"{path}/{row['id']}", headers=ANY).status_code == 204
    restored = api.post(f"{own}/restore").json()
    assert (restored["publisher_id"], restored["category_ids"]) == (None, [])


@pytest.mark.parametrize("field", ["publisher_id", "category_ids"])
def test_what_a_book_refers_to_must_exist(api: httpx.Client, field: str) -> None:
    missing: Any = str(uuid4())
    fields = {field: [missing] if field.endswith("s") else missing}
    book = create(api, 1)
    for answer in (
        api.post(BOOKS, json={**book_body(book), "isbn": "9780132350884", **fields}),
        api.patch(f"{BOOKS}/{book['id']}", json={"title": "Other", **fields}),
    ):
        assert problem(answer, 422)["errors"][0]["location"] == f"body/{field}"
    assert api.get(f"{BOOKS}/{book['id']}").json() == book


def book_body(book: dict[str, Any]) -> dict[str, Any]:
    return {name: book[name] for name in ("isbn", "title", "authors", "price")}


def test_a_category_is_found_with_all_below_it(api: httpx.Client) -> None:
    top = add(api, CATEGORIES, "Top")
    middle = add(api, CATEGORIES, "Middle", parent_id=top["id"])
    low = add(api, CATEGORIES, "Low", parent_id=middle["id"])
    book = create(api, 1, category_ids=[low["id"]])
    create(api, 2)
    for category in (top, middle, low):
        found = api.get(BOOKS, params={"category": category["id"]}).json()["items"]
        assert found == [book]
    assert api.get(CATEGORIES, params={"parent": top["id"]}).json()["items"] == [middle]
    problem(api.delete(f"{CATEGORIES}/{middle['id']}", headers=ANY), 409)


def test_no_category_is_below_itself(api: httpx.Client) -> None:
    top = add(api, CATEGORIES, "Top")
    low = add(api, CATEGORIES, "Low", parent_id=top["id"])
    for parent in (top["id"], low["id"], str(uuid4())):
        moved = api.patch(f"{CATEGORIES}/{top['id']}", json={"parent_id": parent}, headers=ANY)
        assert problem(moved, 422)["errors"][0]["location"] == "body/parent_id"
    free = api.patch(f"{CATEGORIES}/{low['id']}", json={"parent_id": None}, headers=ANY)
    assert free.json()["parent_id"] is None


def test_an_author_is_renamed_in_all_books(api: httpx.Client) -> None:
    old, new = f"Old {uuid4().hex}", f"New {uuid4().hex}"
    first, second = create(api, 1, authors=[old, "B"]), create(api, 2, authors=[old])
    create(api, 3, authors=["B"])
    [author] = api.get(AUTHORS, params={"name": old}).json()["items"]
    found = api.get(BOOKS, params={"author": author["id"]}).json()["items"]
    assert [book["id"] for book in found] == [first["id"], second["id"]]
    own = f"{AUTHORS}/{author['id']}"
    problem(api.patch(own, json={"name": new}), 428)
    problem(api.patch(own, json={"name": "B"}, headers=ANY), 409)
    assert api.patch(own, json={"name": new}, headers=ANY).json()["name"] == new
    assert api.get(f"{BOOKS}/{first['id']}").json()["authors"] == [new, "B"]
    assert api.get(BOOKS, params={"author": author["id"], "q": new}).json()["items"][0]["authors"]
    assert api.get(BOOKS, params={"q": old}).json()["items"] == []


def test_an_author_without_books_is_not_listed(api: httpx.Client) -> None:
    name = f"Nobody {uuid4().hex}"
    book = create(api, 1, authors=[name])
    assert len(api.get(AUTHORS, params={"name": name}).json()["items"]) == 1
    assert api.delete(f"{BOOKS}/{book['id']}").status_code == 204
    assert api.get(AUTHORS, params={"name": name}).json()["items"] == []


@pytest.mark.parametrize("path", [PUBLISHERS, CATEGORIES])
def test_a_walk_by_name_meets_each_once(api: httpx.Client, path: str) -> None:
    added = [add(api, path, f"É{number}")["id"] for number in range(5)]
    seen: list[str] = []
    after: dict[str, str] = {}
    while after != {"after": None}:
        page = api.get(path, params={"limit": 2, **after}).json()
        seen += [item["id"] for item in page["items"]]
        after = {"after": page["next"]}
    assert [id_ for id_ in seen if id_ in added] == added
