"""Many buyers at once for few copies, on a real process and PostgreSQL; answers that get lost."""

import asyncio
import json
import os
from collections import Counter
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import pytest

from bookstore_api.auth import tokens
from bookstore_api.auth.principal import Principal, Role
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.settings.key_set import parse_key_set
from tests.api.shop.catalog.test_books import create, problem
from tests.api.shop.inventory.test_stock import stock_of
from tests.api.shop.orders.test_orders import Shop, shop  # noqa: F401 - a fixture
from tests.support.bookstore import StartProcess, execute
from tests.support.orders import ADDRESS, CART, ORDERS, place, put_into_cart, stock

KEYS = json.dumps({"signing": "k1", "keys": {"k1": os.urandom(32).hex()}})
TOTAL = {"amount": "9.90", "currency": "EUR"}


def sign_in_many(url: str, book_id: str, count: int) -> list[str]:
    """Accounts with a session and a book in the cart, past the API; their access tokens."""
    members = [(new_id(), new_id()) for _ in range(count)]
    now, later = "'2026-01-01 00:00:00+00'", "'2999-01-01 00:00:00+00'"
    accounts = ", ".join(
        f"('{account}', '{account}@a.example', '{account}@a.example', 'customer', 1, {now}, {now})"
        for account, _ in members
    )
    columns = "id, email, email_key, role, version, created_at, updated_at"
    execute(url, f"INSERT INTO accounts ({columns}) VALUES {accounts}")  # noqa: S608
    sessions = ", ".join(
        f"('{session}', '{account}', {now}, {now}, {later})" for account, session in members
    )
    columns = "id, account_id, created_at, used_at, expires_at"
    execute(url, f"INSERT INTO account_sessions ({columns}) VALUES {sessions}")  # noqa: S608
    lines = ", ".join(f"('{account}', '{book_id}', 1, {now})" for account, _ in members)
    execute(url, f"INSERT INTO cart_lines VALUES {lines}")  # noqa: S608
    keys, moment = parse_key_set(KEYS), datetime.now(UTC)
    return [
        tokens.issue(keys, Principal(Role.CUSTOMER, account, session), moment)
        for account, session in members
    ]


async def buy(port: int, token: str, everybody: asyncio.Barrier) -> int:
    """Place an order over a connection of its own, at the same moment as everybody."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"total": TOTAL, "ship_to": ADDRESS}).encode()
    head = (
        f"POST {ORDERS} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\n"
        f"idempotency-key: {uuid4()}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    await everybody.wait()
    writer.write(head.encode() + body)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ", 2)[1])


@pytest.mark.invariant
@pytest.mark.parametrize(
    ("buyers", "copies"),
    [(200, 20), pytest.param(1000, 100, marks=pytest.mark.nightly)],
)
def test_each_copy_is_sold_once_and_everybody_is_told(
    start: StartProcess, migrated_postgres: str, buyers: int, copies: int
) -> None:
    """No oversell: as many orders as copies, 409 for all others, and no 5xx."""
    process = start(migrated_postgres, signing_keys=KEYS).wait_until_ready()
    with httpx.Client(base_url=process.url, timeout=20) as api:
        book_id = create(api)["id"]
        stock(api, book_id, copies)
        access = sign_in_many(migrated_postgres, book_id, buyers)

        async def rush() -> list[int]:
            everybody = asyncio.Barrier(buyers)
            port = int(process.url.rpartition(":")[2])
            return await asyncio.gather(*(buy(port, token, everybody) for token in access))

        statuses = Counter(asyncio.run(rush()))
        assert statuses == {201: copies, 409: buyers - copies}
        left = stock_of(api, book_id)
    assert (left["on_hand"], left["reserved"], left["available"]) == (copies, copies, 0)
    assert execute(migrated_postgres, "SELECT count(*), sum(total_minor) FROM orders") == [
        (copies, copies * 990)
    ]


@pytest.mark.invariant
def test_an_answer_lost_after_the_commit_is_given_again(
    shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book, again = shop.book(2), str(uuid4())
    put_into_cart(shop.api, shop.buyer, book)
    total = shop.api.get(CART, headers=shop.buyer.headers).json()["total"]
    commit, lost = WriteSession.commit, iter([True])

    async def commit_and_lose(session: WriteSession) -> None:
        await commit(session)
        if next(lost, False):
            raise ConnectionResetError

    monkeypatch.setattr(WriteSession, "commit", commit_and_lose)
    problem(place(shop.api, shop.buyer, total=total, same=again), 503)
    answer = place(shop.api, shop.buyer, total=total, same=again)
    assert answer.status_code == 201
    assert answer.headers["idempotency-replayed"] == "true"
    assert UUID(answer.json()["id"])
    assert stock_of(shop.api, book)["reserved"] == 1
    assert shop.api.get(answer.headers["location"], headers=shop.buyer.headers).status_code == 200
