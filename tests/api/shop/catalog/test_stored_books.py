"""What is stored is shown, whatever the rules for new books are today."""

import json
from typing import Any

import httpx
import pytest

from tests.support.bookstore import Served, execute

BOOKS = "/api/v1/books"
ROW = {
    "id": "00000000-0000-7000-8000-000000000001",
    "isbn": "9780132350884",
    "title": "Clean Code",
    "sort_title": "clean code",
    "authors": '["Robert C. Martin"]',
    "published_on": "2008-08-01",
    "price_minor": 3990,
    "currency": "EUR",
    "version": 1,
    "created_at": "2026-01-02 03:04:05",
    "updated_at": "2026-01-02 03:04:05",
}


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> Served:
    served: Served = request.getfixturevalue(f"{request.param}_server")
    execute(served.url, "DELETE FROM books")
    return served


def insert(server: Served, **changes: Any) -> str:
    """Store a book as SQL does, past all rules for input; its path."""
    row = ROW | changes
    id_ = row["id"]
    if server.url.startswith("sqlite"):
        row["id"] = str(row["id"]).replace("-", "")
    values = ", ".join(
        "NULL" if value is None else str(value) if isinstance(value, int) else f"'{value}'"
        for value in row.values()
    )
    execute(server.url, f"INSERT INTO books ({', '.join(row)}) VALUES ({values})")  # noqa: S608
    return f"{BOOKS}/{id_}"


def shown(server: Served, path: str) -> dict[str, Any]:
    """The book as both the list and its own path show it."""
    one, some = server.client.get(path), server.client.get(BOOKS)
    assert (one.status_code, some.status_code) == (200, 200), (one.text, some.text)
    assert some.json()["items"] == [one.json()]
    book: dict[str, Any] = one.json()
    return book


@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [
        ("HRK", 1234, "12.34"), ("XXX", 5, "0.05"), ("eur", 100, "1.00"), ("", 0, "0.00"),
        ("€", 7, "0.07"), ("EUR", 2**63 - 1, "92233720368547758.07"),
        ("JPY", 10**15, "1" + "0" * 15),
    ],
)  # fmt: skip
def test_a_price_of_any_currency_is_shown(
    server: Served, currency: str, minor: int, amount: str
) -> None:
    book = shown(server, insert(server, currency=currency, price_minor=minor))
    assert book["price"] == {"amount": amount, "currency": currency}


STORED: dict[str, list[Any]] = {
    "isbn": ["9780132350885", "1", "", "canary"],
    "title": ["\u200b", " ", "", "a\u202eb", "a\nb", "x" * 300],
    "authors": [["\u200b"], [], ["A"] * 60, ["x" * 400], [""]],
    "published_on": [None, "0001-01-01", "9999-12-31"],
}
# Written by hand into a column of JSON, which has no type.
ODD_AUTHORS = {
    '"A"': ["A"], "[1, null]": ["1", "null"], "null": [], "{}": ["{}"], '[["A"]]': ['["A"]'],
    "7": ["7"],
}  # fmt: skip


def test_a_row_is_shown_as_it_is(server: Served) -> None:
    for column, values in STORED.items():
        for value in values:
            execute(server.url, "DELETE FROM books")
            stored = json.dumps(value) if isinstance(value, list) else value
            assert shown(server, insert(server, **{column: stored}))[column] == value


def test_authors_of_any_json_are_shown(server: Served) -> None:
    for stored, expected in ODD_AUTHORS.items():
        execute(server.url, "DELETE FROM books")
        assert shown(server, insert(server, authors=stored))["authors"] == expected


def test_what_is_stored_can_be_changed_part_by_part(server: Served) -> None:
    """A change is judged by the rules, what it leaves alone is not."""
    path = insert(server, currency="HRK", isbn="1", title="\u200b")
    api = server.client
    assert api.patch(path, json={"authors": ["B"]}).json()["authors"] == ["B"]
    assert api.patch(path, json={"price": {"currency": "HRK"}}).status_code == 200
    rejected = api.patch(path, json={"price": {"amount": "12.50"}})
    assert (rejected.status_code, rejected.json()["errors"][0]["location"]) == (422, "body/price")
    price = {"amount": "12.50", "currency": "EUR"}
    changed = api.patch(path, json={"price": price})
    assert changed.json()["price"] == price
    assert (changed.json()["isbn"], changed.json()["title"]) == ("1", "\u200b")
    assert api.delete(path).status_code == 204


YEARS = {
    "infinity": "9999-12-31", "-infinity": "0001-01-01", "0044-03-15 BC": "0001-01-01",
    "10000-01-01": "9999-12-31", "2008-08-01": "2008-08-01",
}  # fmt: skip


def test_a_year_that_python_does_not_have_is_shown_as_the_nearest(
    postgresql_server: Served,
) -> None:
    server = postgresql_server
    for stored, expected in YEARS.items():
        execute(server.url, "DELETE FROM books")
        path = insert(server, published_on=stored, created_at=stored, updated_at=stored)
        book = shown(server, path)
        assert book["published_on"] == expected
        assert (book["created_at"][:10], book["updated_at"][:10]) == (expected, expected)
        title = server.client.patch(path, json={"title": "Other"})
        assert (title.status_code, title.json()["published_on"]) == (200, expected)


def test_pages_go_on_after_any_row(server: Served) -> None:
    keys = ["", " ", "a", "a", "\u200b", "x" * 200, "\U0001f600" * 200, "\x01" * 200, '"' * 200]
    for number, key in enumerate(keys):
        id_ = f"00000000-0000-7000-8000-00000000000{number}"
        insert(server, id=id_, isbn=str(number), sort_title=key)
    client: httpx.Client = server.client
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = client.get(BOOKS, params={"limit": "1"} | after)
        assert page.status_code == 200, page.text
        seen += [item["isbn"] for item in page.json()["items"]]
        if page.json()["next"] is None:
            break
        after = {"after": page.json()["next"]}
    assert sorted(seen) == sorted(str(number) for number in range(len(keys)))


# SQLite keeps anything in any column; as SQL literals. What is shown, None for no book at all.
ODD: dict[str, dict[str, Any]] = {
    "title": {"x'ff'": "\ufffd", "CAST(x'61ff' AS TEXT)": "a\ufffd", "7": "7", "1.5": "1.5"},
    "isbn": {"x'ff00'": "\ufffd\0"},
    "authors": {
        "'no JSON'": ["no JSON"], "''": [""], "x'ff'": ["\ufffd"], "'[1'": ["[1"], "7": ["7"],
        "'[\"\\ud800\"]'": ["?"], f"'{'[' * 5000}'": ["[" * 5000], f"'{'1' * 5000}'": None,
    },
    "published_on": {
        "'soon'": None, "''": None, "5": None, "x'ff'": None, "'2008-13-01'": None,
        "'2008-08-01 00:00:00'": "2008-08-01", "'99999-01-01'": None, "'infinity'": None,
    },
    "created_at": {
        "'soon'": "0001-01-01T00:00:00Z", "5": "0001-01-01T00:00:00Z",
        "'2026-01-02T03:04:05+02:00'": "2026-01-02T01:04:05Z",
        "'0001-01-01 00:00:00+05:00'": "0001-01-01T00:00:00Z",
    },
    "price_minor": {"'much'": "much", "1.5": "1.5", "x'ff'": "\ufffd", "9e999": "inf"},
    "currency": {"x'ff'": "\ufffd"},
    "sort_title": {"x'ff'": None},
    "version": {"'first'": None, "x'ff'": None, "1.5": None, "-1": None},
}  # fmt: skip


def test_no_value_of_a_column_fails_the_list(sqlite_server: Served) -> None:
    """Nor the book's own page, a change of something else, and its deletion."""
    server, api = sqlite_server, sqlite_server.client
    for column, values in ODD.items():
        for literal, expected in values.items():
            execute(server.url, "DELETE FROM books")
            path = insert(server)
            execute(server.url, f"UPDATE books SET {column} = {literal}")  # noqa: S608
            book = shown(server, path)
            seen = book["price"] if column in {"price_minor", "currency"} else book
            name = "amount" if column == "price_minor" else column
            if expected is not None or column == "published_on":
                assert seen[name] == expected, (column, literal[:40])
            changed = api.patch(path, json={"isbn": "9780132350884", "authors": ["B"]})
            assert (changed.status_code, changed.json()["authors"]) == (200, ["B"]), literal[:40]
            assert api.get(path).headers["etag"] == changed.headers["etag"]
            assert api.delete(path).status_code == 204


def test_a_row_without_an_id_is_left_out(sqlite_server: Served) -> None:
    """No path leads to it, and no page could go on after it."""
    server = sqlite_server
    for number, literal in enumerate(("'x'", "''", "1.5", "x'00ff'", f"'{'0' * 33}'", "'A'")):
        execute(server.url, "DELETE FROM books")
        insert(server, isbn=str(number))
        execute(server.url, f"UPDATE books SET id = {literal}")  # noqa: S608
        assert server.client.get(BOOKS).json()["items"] == [], literal


def test_a_price_that_is_no_number_is_replaced_whole(sqlite_server: Served) -> None:
    server, api = sqlite_server, sqlite_server.client
    path = insert(server)
    execute(server.url, "UPDATE books SET price_minor = 'much'")
    half = api.patch(path, json={"price": {"currency": "USD"}})
    assert (half.status_code, half.json()["errors"][0]["location"]) == (422, "body/price")
    price = {"amount": "1.00", "currency": "USD"}
    assert api.patch(path, json={"price": price}).json()["price"] == price


def test_the_largest_version_is_not_the_last(server: Served) -> None:
    path = insert(server, version=2**63 - 1)
    changed = server.client.patch(path, json={"title": "Other"})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"1"')
