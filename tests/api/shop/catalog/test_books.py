"""Books over HTTP, on both databases, by a real server."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from bookstore_api.shop.catalog.isbn import make_isbn
from tests.support.bookstore import Served, execute

BOOKS = "/api/v1/books"
CANARY = "canary-5f1c"


def book(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "isbn": make_isbn(number),
        "title": "The Left Hand of Darkness",
        "authors": ["Ursula K. Le Guin"],
        "published_on": "1969-03-01",
        "price": {"amount": "9.90", "currency": "EUR"},
        **changes,
    }


def create(api: httpx.Client, number: int = 1, **changes: Any) -> dict[str, Any]:
    answer = api.post(BOOKS, json=book(number, **changes))
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem that an answer must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert CANARY not in answer.text
    return body


def locations(answer: httpx.Response) -> list[str]:
    """The wrong fields of a 422."""
    return [error["location"] for error in problem(answer, 422)["errors"]]


def test_a_book_is_created_read_changed_and_deleted(api: httpx.Client) -> None:
    answer = api.post(BOOKS, json=book(isbn="978-0-441-47812-5"))
    assert answer.status_code == 201
    created = answer.json()
    assert created["isbn"] == "9780441478125"
    assert created["price"] == {"amount": "9.90", "currency": "EUR"}
    assert UUID(created["id"]).version == 7
    assert created["created_at"].endswith("Z")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(created["created_at"])).seconds < 60

    path = answer.headers["location"]
    read = api.get(path)
    assert (read.status_code, read.json()) == (200, created)
    assert read.headers["etag"] == answer.headers["etag"]

    price = {"amount": "12", "currency": "JPY"}
    changed = api.patch(
        path,
        content=json.dumps({"price": price, "published_on": None}),
        headers={"content-type": "application/merge-patch+json"},
    )
    assert changed.status_code == 200
    expected = {"price": price, "published_on": None, "updated_at": changed.json()["updated_at"]}
    assert changed.json() == created | expected
    assert changed.json()["updated_at"] > created["updated_at"]
    assert api.get(path).json() == changed.json()

    assert api.delete(path).status_code == 204
    problem(api.get(path), 404)
    problem(api.delete(path), 404)
    problem(api.patch(path, json={}), 404)


def test_an_isbn_belongs_to_one_book(api: httpx.Client) -> None:
    first, second = create(api, 1), create(api, 2)
    problem(api.post(BOOKS, json=book(1)), 409)
    problem(api.patch(f"{BOOKS}/{second['id']}", json={"isbn": first["isbn"]}), 409)
    assert api.get(f"{BOOKS}/{second['id']}").json() == second
    assert api.delete(f"{BOOKS}/{first['id']}").status_code == 204
    assert create(api, 1)["isbn"] == first["isbn"]


def test_a_change_can_demand_the_version_that_was_read(api: httpx.Client) -> None:
    path = f"{BOOKS}/{create(api)['id']}"
    first = api.get(path).headers["etag"]
    assert api.patch(path, json={"title": "A"}, headers={"if-match": first}).status_code == 200
    problem(api.patch(path, json={"title": "B"}, headers={"if-match": first}), 412)
    problem(api.delete(path, headers={"if-match": first}), 412)
    assert api.get(path).json()["title"] == "A"
    second = api.get(path).headers["etag"]
    assert api.delete(path, headers={"if-match": f'"other", {second}'}).status_code == 204


def test_a_change_of_nothing_changes_nothing(api: httpx.Client) -> None:
    created = create(api)
    path = f"{BOOKS}/{created['id']}"
    etag = api.get(path).headers["etag"]
    answer = api.patch(path, json={"title": created["title"]})
    assert (answer.json(), answer.headers["etag"]) == (created, etag)


@pytest.mark.invariant
def test_of_concurrent_creations_one_wins(api: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: api.post(BOOKS, json=book()).status_code, range(16)))
    assert sorted(statuses) == [201] + [409] * 15


@pytest.mark.invariant
def test_no_concurrent_change_is_lost(api: httpx.Client) -> None:
    path = f"{BOOKS}/{create(api)['id']}"

    def change(number: int) -> int:
        return api.patch(path, json={"title": f"Title {number}"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(change, range(16))) == {200}
    assert api.get(path).headers["etag"] == '"17"'


def test_an_answer_is_sent_after_the_commit(postgresql_server: Served) -> None:
    """A commit that fails is never answered 201."""
    api, url = postgresql_server.client, postgresql_server.url
    execute(url, "DELETE FROM books")
    execute(
        url,
        "CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ BEGIN RAISE EXCEPTION '{CANARY}'; END $$",
    )
    execute(
        url,
        "CREATE CONSTRAINT TRIGGER reject AFTER INSERT ON books "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION reject()",
    )
    try:
        answer = api.post(BOOKS, json=book(), headers={"x-request-id": "r-1"})
    finally:
        execute(url, "DROP FUNCTION reject CASCADE")
    problem(answer, 500)
    assert answer.headers["x-request-id"] == "r-1"
    assert api.get(BOOKS).json()["items"] == []


WRONG_BODIES: list[tuple[Any, list[str]]] = [
    ({}, ["body/isbn", "body/title", "body/authors", "body/price"]),
    ([], ["body"]),
    (None, ["body"]),
    (book(isbn=CANARY), ["body/isbn"]),
    (book(title=""), ["body/title"]),
    (book(title=f"{CANARY}\0"), ["body/title"]),
    (book(title="x" * 301), ["body/title"]),
    (book(authors=[]), ["body/authors"]),
    (book(authors=["A", f"{CANARY}\x07"]), ["body/authors/1"]),
    (book(authors=["A"] * 51), ["body/authors"]),
    (book(published_on=CANARY), ["body/published_on"]),
    (book(published_on=10**30), ["body/published_on"]),
    (book(price={"amount": 9.9, "currency": "EUR"}), ["body/price/amount"]),
    (book(price={"amount": "-1", "currency": "EUR"}), ["body/price/amount"]),
    (book(price={"amount": "9" * 30, "currency": "EUR"}), ["body/price/amount"]),
    (book(price={"amount": "1.234", "currency": "EUR"}), ["body/price"]),
    (book(price={"amount": "1", "currency": "XXX"}), ["body/price"]),
    (book(price={"amount": "1", "currency": "eur"}), ["body/price/currency"]),
    (book() | {CANARY: CANARY}, ["body"]),
]


@pytest.mark.parametrize(("body", "where"), WRONG_BODIES)
def test_a_wrong_body_is_422_and_names_each_field(
    api: httpx.Client, body: Any, where: list[str]
) -> None:
    assert locations(api.post(BOOKS, json=body)) == where
    assert api.get(BOOKS).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        CANARY.encode(),
        b'{"title": "\\ud800"}',
        b"[" * 100_000,
        b'{"published_on": ' + b"9" * 5000 + b"}",
        b'{"price": {"amount": NaN}}',
        b"\xff\xfe",
    ],
)
def test_bytes_that_are_no_book_are_a_client_error(api: httpx.Client, content: bytes) -> None:
    answer = api.post(BOOKS, content=content, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}, answer.text
    problem(answer, answer.status_code)


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "query/limit"),
        ("limit=101", "query/limit"),
        ("limit=99999999999999999999", "query/limit"),
        (f"limit={CANARY}", "query/limit"),
        (f"after={CANARY}", "query/after"),
        ("after=%00", "query/after"),
        ("after=" + "A" * 3000, "query/after"),
        (f"isbn={CANARY}", "query/isbn"),
    ],
)
def test_a_wrong_query_is_422(api: httpx.Client, query: str, where: str) -> None:
    assert locations(api.get(f"{BOOKS}?{query}")) == [where]


@pytest.mark.parametrize("id_", ["1", CANARY, "%00", "99999999999999999999"])
def test_what_is_no_id_is_422(api: httpx.Client, id_: str) -> None:
    assert locations(api.get(f"{BOOKS}/{id_}")) == ["path/book_id"]


def test_every_other_error_is_a_problem_too(api: httpx.Client) -> None:
    problem(api.get(f"/{CANARY}"), 404)
    problem(api.get(f"{BOOKS}/"), 404)
    problem(api.get(f"{BOOKS}/{uuid4()}"), 404)
    answer = api.put(BOOKS, json={})
    problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}


def test_a_title_that_grows_when_sorted_still_fits(api: httpx.Client) -> None:
    title = "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 300
    assert create(api, title=title)["title"] == title
    assert [item["title"] for item in api.get(BOOKS).json()["items"]] == [title]


def test_text_of_all_kinds_survives(api: httpx.Client) -> None:
    title = "Ǆ 😀 \N{RIGHT-TO-LEFT MARK}עברית \N{COMBINING ACUTE ACCENT}' \" \\ %s {} $1 --"
    created = create(api, title=title, authors=["O'Neil", 'Quo"te', "\\u0000"])
    assert created["title"] == title
    assert api.get(f"{BOOKS}/{created['id']}").json() == created


def test_the_largest_price_fits(api: httpx.Client) -> None:
    price = {"amount": "999999999999.999", "currency": "KWD"}
    assert create(api, price=price)["price"] == price


def test_a_book_is_found_by_its_isbn(api: httpx.Client) -> None:
    first, _ = create(api, 1), create(api, 2)
    isbn = first["isbn"]
    hyphens = f"{isbn[:3]}-{isbn[3:12]}-{isbn[12]}"
    assert api.get(BOOKS, params={"isbn": hyphens}).json() == {"items": [first], "next": None}


def test_each_answer_carries_the_request_id(api: httpx.Client) -> None:
    sane = api.get(BOOKS, headers={"x-request-id": "trace-1_2"})
    assert sane.headers["x-request-id"] == "trace-1_2"
    for hostile in ("a" * 65, "a b", '"', "é", "10.0.0.1"):
        answer = api.get(BOOKS, headers={b"x-request-id": hostile.encode()})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.fixture
def description(api: httpx.Client) -> dict[str, Any]:
    body: dict[str, Any] = api.get("/openapi.json").json()
    return body


def test_the_description_is_of_what_is_answered(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    assert "HTTPValidationError" not in json.dumps(description)
    assert schemas["BookUpdate"].get("required") is None
    assert "default" not in json.dumps(schemas["BookUpdate"])
    create_answers = description["paths"][BOOKS]["post"]["responses"]
    errors = {"401", "403", "408", "409", "412", "413", "415", "422", "429", "503"}
    assert set(create_answers) == {"201", *errors}
    problem_schema = create_answers["409"]["content"]["application/problem+json"]["schema"]
    assert problem_schema == {"$ref": "#/components/schemas/Problem"}
    assert "InvalidField" in schemas
    for operations in description["paths"].values():
        if "get" not in operations:
            continue
        get, head = operations["get"], operations["head"]
        assert set(get["responses"]) == set(head["responses"]) >= {"200", "304", "412"}
        assert get["parameters"] == head["parameters"]
        assert "content" not in json.dumps(head["responses"])
