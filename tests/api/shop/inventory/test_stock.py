"""Stocks over HTTP, on both databases, by a real server."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.shop.catalog.test_books import BOOKS, create, locations, problem
from tests.support.bookstore import Served, environment, execute, run_command

STOCK = "/api/v1/stock"


def move(
    api: httpx.Client, book_id: str, quantity: int, *, kind: str = "received", key: str = ""
) -> httpx.Response:
    return api.post(
        f"{STOCK}/{book_id}/moves",
        json={"kind": kind, "quantity": quantity},
        headers={"idempotency-key": key or str(uuid4())},
    )


def stock_of(api: httpx.Client, book_id: str) -> dict[str, Any]:
    stock: dict[str, Any] = api.get(f"{STOCK}/{book_id}").json()
    return stock


def test_moves_add_up_to_the_stock(api: httpx.Client) -> None:
    book_id = create(api)["id"]
    empty = {"book_id": book_id, "on_hand": 0, "reserved": 0, "available": 0}
    assert stock_of(api, book_id) == empty
    made = move(api, book_id, 5)
    assert made.status_code == 201
    assert made.json()["stock"] == empty | {"on_hand": 5, "available": 5}
    assert move(api, book_id, -2, kind="corrected").json()["stock"]["on_hand"] == 3
    problem(move(api, book_id, -4, kind="corrected"), 409)
    assert stock_of(api, book_id)["available"] == 3
    answer = api.get(f"{BOOKS}/{book_id}/availability")
    assert answer.json() == {"book_id": book_id, "available": 3}
    first = api.get(f"{STOCK}/{book_id}/moves", params={"limit": 1}).json()
    assert [item["quantity"] for item in first["items"]] == [-2]
    query = {"limit": 1, "after": first["next"]}
    second = api.get(f"{STOCK}/{book_id}/moves", params=query).json()
    assert [(item["kind"], item["quantity"]) for item in second["items"]] == [("received", 5)]
    assert (second["items"][0]["id"], second["next"]) == (made.json()["id"], None)


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "received", "quantity": 0},
        {"kind": "received", "quantity": -1},
        {"kind": "corrected", "quantity": 0},
        {"kind": "sold", "quantity": 1},
        {"kind": "received", "quantity": "1"},
        {"kind": "received", "quantity": 1.0},
        {"kind": "received", "quantity": 2**63},
        {"kind": "received"},
    ],
)
def test_a_move_that_is_none_is_rejected(api: httpx.Client, body: dict[str, Any]) -> None:
    book_id = create(api)["id"]
    headers = {"idempotency-key": str(uuid4())}
    assert locations(api.post(f"{STOCK}/{book_id}/moves", json=body, headers=headers))
    assert stock_of(api, book_id)["on_hand"] == 0


def test_a_move_sent_again_is_made_once(api: httpx.Client) -> None:
    book_id, key = create(api)["id"], str(uuid4())
    first, second = move(api, book_id, 5, key=key), move(api, book_id, 5, key=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert locations(move(api, book_id, 6, key=key)) == ["header/idempotency-key"]
    assert stock_of(api, book_id)["on_hand"] == 5
    other = create(api, 2)["id"]
    assert move(api, other, 6, key=key).status_code == 201  # of another path


def test_a_failure_is_not_stored(api: httpx.Client) -> None:
    book_id, key = create(api)["id"], str(uuid4())
    problem(move(api, book_id, -1, kind="corrected", key=key), 409)
    assert move(api, book_id, 1).status_code == 201
    assert move(api, book_id, -1, kind="corrected", key=key).status_code == 201


@pytest.mark.parametrize("key", [None, "", "a b", "x" * 256, "\u00e9"])
def test_a_key_that_is_none_is_rejected(api: httpx.Client, key: str | None) -> None:
    book_id = create(api)["id"]
    headers = {} if key is None else {b"idempotency-key": key.encode()}
    body = {"kind": "received", "quantity": 1}
    answer = api.post(f"{STOCK}/{book_id}/moves", json=body, headers=headers)
    assert locations(answer) == ["header/idempotency-key"]


def test_the_same_key_at_once_moves_once(api: httpx.Client) -> None:
    book_id, key = create(api)["id"], str(uuid4())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: move(api, book_id, 1, key=key), range(16)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.text for answer in answers if answer.status_code == 201}) == 1
    assert stock_of(api, book_id)["on_hand"] == 1


def test_a_book_that_is_not_there_has_no_stock(api: httpx.Client) -> None:
    book_id = create(api)["id"]
    assert move(api, book_id, 1).status_code == 201
    assert api.delete(f"{BOOKS}/{book_id}").status_code == 204
    for path in (
        f"{STOCK}/{book_id}",
        f"{STOCK}/{book_id}/moves",
        f"{BOOKS}/{book_id}/availability",
    ):
        problem(api.get(path), 404)
    problem(move(api, book_id, 1), 404)
    assert api.post(f"{BOOKS}/{book_id}/restore").status_code == 200
    assert stock_of(api, book_id)["on_hand"] == 1
    gone = api.delete(f"{BOOKS}/{book_id}", params={"permanently": "true"})
    assert gone.status_code == 204


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_stock_is_never_below_zero_whatever_code_writes_it(
    request: pytest.FixtureRequest, kind: str
) -> None:
    server: Served = request.getfixturevalue(f"{kind}_server")
    book_id = create(server.client, 77)["id"]
    move(server.client, book_id, 1)
    for change in ("on_hand = -1", "reserved = -1", "reserved = 2"):
        with pytest.raises(Exception, match=r"(?i)check"):
            execute(server.url, f"UPDATE stock SET {change}")  # noqa: S608 - a test's own
    server.client.delete(f"{BOOKS}/{book_id}", params={"permanently": "true"})


def test_maintain_gives_back_what_has_expired(url: str, tmp_path: Path) -> None:
    ids = [uuid4().hex if url.startswith("sqlite") else str(uuid4()) for _ in range(3)]
    book_id, due, held = ids
    now = "'2026-01-01 00:00:00'"
    columns = "id, isbn, title, sort_title, authors, price_minor, currency, version"
    book = f"'{book_id}', '9780000000002', 'A', 'a', '[]', 1, 'EUR', 1, {now}, {now}"
    execute(url, f"INSERT INTO books ({columns}, created_at, updated_at) VALUES ({book})")  # noqa: S608
    execute(url, f"INSERT INTO stock VALUES ('{book_id}', 700, 603, {now})")  # noqa: S608
    rows = [(due, "2026-01-01", 2), (held, "2999-01-01", 1)]
    rows += [(uuid4().hex, "2026-01-02", 1) for _ in range(600)]  # more than a batch
    values = ", ".join(
        f"('{order}', '{book_id}', {quantity}, '{day} 00:00:00', '2026-01-01 00:00:00')"
        for order, day, quantity in rows
    )
    execute(url, f"INSERT INTO reservations VALUES {values}")  # noqa: S608
    for expected in (601, 0):
        ended = run_command("maintain", env=environment(url, tmp_path), cwd=tmp_path)
        assert ended.code == 0, ended.errors
        assert ended.outcome["code"] == "maintained"
        assert ended.outcome["complete"] is True
        assert ended.outcome["counts"]["inventory"] == expected
        assert execute(url, "SELECT on_hand, reserved FROM stock") == [(700, 1)]
    assert execute(url, "SELECT count(*) FROM reservations") == [(1,)]
