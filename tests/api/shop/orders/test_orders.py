"""Carts and orders over HTTP, on both databases, by a real server."""

import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx
import pytest

from bookstore_api.settings import Settings
from bookstore_api.shop.orders.states import NEXT, State, may_become
from tests.api.shop.catalog.test_books import BOOKS, create, locations, problem
from tests.api.shop.inventory.test_stock import stock_of
from tests.support.bookstore import UNLIMITED, app_of, execute, served, wait_until
from tests.support.orders import (
    ADDRESS,
    CART,
    ORDERS,
    STAFF_ORDERS,
    pay,
    place,
    put_into_cart,
    staff_step,
    stock,
)
from tests.support.queries import recorded
from tests.support.shoppers import ACCOUNTS, PASSWORD, Shopper, shopper

EVENTS = "/api/v1/payment-events"
SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQt"


@dataclass(frozen=True)
class Shop:
    """A server, its database, and somebody who buys."""

    api: httpx.Client
    url: str
    buyer: Shopper

    def book(self, copies: int = 5, amount: str = "9.90", **changes: Any) -> str:
        price = {"amount": amount, "currency": "EUR"}
        id_: str = create(self.api, next(_numbers), **{"price": price, **changes})["id"]
        if copies:
            stock(self.api, id_, copies)
        return id_

    def order(self, *books: tuple[str, int], buyer: Shopper | None = None) -> dict[str, Any]:
        buyer = buyer or self.buyer
        self.api.delete(CART, headers=buyer.headers)
        for book_id, quantity in books:
            put_into_cart(self.api, buyer, book_id, quantity)
        answer = place(self.api, buyer)
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"{ORDERS}/{order['id']}"
        return order

    def state(self, order: dict[str, Any]) -> str:
        path = f"{STAFF_ORDERS}/{order['id']}"
        return str(self.api.get(path).json()["state"])

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return execute(self.url, statement)


_numbers = iter(range(1000, 100_000))


@contextmanager
def shop_on(url: str) -> Iterator[Shop]:
    values = {
        "database_url": url,
        "payment_provider": "test",
        "payment_secrets": f"whsec_{OLD_SECRET} whsec_{SECRET}",
        **UNLIMITED,
    }
    with served(app_of(Settings.model_validate(values))) as api:
        yield Shop(api, url, shopper(api, url))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("orders") / "books.db"
        path.write_bytes(request.getfixturevalue("migrated_file").read_bytes())
        with shop_on(f"sqlite:///{path}") as running:
            yield running
        return
    postgres = request.getfixturevalue("postgres")
    template = request.getfixturevalue("migrated_template")
    with postgres.database(template) as url, shop_on(url) as running:
        yield running


def parts(answer: httpx.Response) -> dict[str, str]:
    """What is in the way of an order, by where it is."""
    return {part["location"]: part["code"] for part in problem(answer, 409)["errors"]}


def test_an_order_from_the_cart_to_the_door(shop: Shop) -> None:
    one, two = shop.book(amount="9.90"), shop.book(amount="0.05")
    cart = put_into_cart(shop.api, shop.buyer, one, 2)
    assert cart["total"] == {"amount": "19.80", "currency": "EUR"}
    order = shop.order((one, 2), (two, 3))
    assert order["total"] == {"amount": "19.95", "currency": "EUR"}
    assert [line["price"]["amount"] for line in order["lines"]] == ["19.80", "0.15"]
    assert (order["state"], order["ship_to"]) == ("placed", ADDRESS)
    empty: dict[str, Any] = {"lines": [], "total": None}
    assert shop.api.get(CART, headers=shop.buyer.headers).json() == empty
    assert stock_of(shop.api, one) | {"book_id": 0} == {
        "book_id": 0, "on_hand": 5, "reserved": 2, "available": 3,
    }  # fmt: skip
    paid = pay(shop.api, shop.buyer, order["id"])
    assert paid.json()["state"] == "captured"
    assert paid.json()["amount"] == order["total"]
    assert pay(shop.api, shop.buyer, order["id"]).json() == paid.json()
    assert stock_of(shop.api, one)["on_hand"] == stock_of(shop.api, one)["available"] == 3
    for step, state in (("shipment", "shipped"), ("delivery", "delivered")):
        for _ in range(2):
            assert staff_step(shop.api, order["id"], step).json()["state"] == state
    problem(staff_step(shop.api, order["id"], "shipment"), 409)
    problem(staff_step(shop.api, order["id"], "cancellation"), 409)
    path = f"{ORDERS}/{order['id']}"
    read = shop.api.get(path, headers=shop.buyer.headers)
    assert read.json()["delivered_at"] >= read.json()["shipped_at"] >= read.json()["paid_at"]
    assert read.headers["etag"] == '"4"'
    listed = shop.api.get(ORDERS, headers=shop.buyer.headers, params={"limit": 1}).json()
    assert listed["items"] == [read.json()]
    where = f"action = 'order.change' AND object_id = '{_id(shop, order['id'])}'"
    changes = shop.rows(f"SELECT before, after FROM audit_log WHERE {where} ORDER BY id")  # noqa: S608
    states = [(_document(before)["state"], _document(after)["state"]) for before, after in changes]
    assert states == [("paid", "shipped"), ("shipped", "delivered")]


def _id(shop: Shop, id_: str) -> str:
    return id_.replace("-", "") if shop.url.startswith("sqlite") else id_


def _document(stored: Any) -> Any:
    return json.loads(stored) if isinstance(stored, str) else stored


def test_a_cart_that_can_not_be_ordered_says_why(shop: Shop) -> None:
    api, buyer = shop.api, shopper(shop.api, shop.url)
    total = {"amount": "1", "currency": "EUR"}
    problem(place(api, buyer, total=total), 409)
    few, none, gone = shop.book(1), shop.book(0), shop.book(1)
    for book_id, quantity in ((few, 2), (none, 1), (gone, 1)):
        put_into_cart(api, buyer, book_id, quantity)
    assert parts(place(api, buyer, total=total)) == {"body/total": "total-changed"}
    right = api.get(CART, headers=buyer.headers).json()["total"]
    assert api.delete(f"{BOOKS}/{gone}").status_code == 204
    lines = api.get(CART, headers=buyer.headers).json()["lines"]
    assert {line["book_id"]: line["available"] for line in lines} == {few: 1, none: 0, gone: 0}
    assert parts(place(api, buyer, total=right)) == {f"cart/{gone}": "gone"}
    path = f"{CART}/items/{gone}"
    assert api.delete(path, headers=buyer.headers).status_code == 204
    problem(api.delete(path, headers=buyer.headers), 404)
    short = {f"cart/{few}": "out-of-stock", f"cart/{none}": "out-of-stock"}
    assert parts(place(api, buyer)) == short
    assert stock_of(api, few)["reserved"] == 0
    yen = shop.book(1, price={"amount": "100", "currency": "JPY"})
    put_into_cart(api, buyer, yen)
    assert api.get(CART, headers=buyer.headers).json()["total"] is None
    assert set(parts(place(api, buyer, total=right)).values()) == {"currency"}
    problem(api.put(f"{CART}/items/{uuid4()}", json={"quantity": 1}, headers=buyer.headers), 404)
    for wrong in (0, -1, 1001, 1.5, "1"):
        body = {"quantity": wrong}
        assert locations(api.put(f"{CART}/items/{few}", json=body, headers=buyer.headers))


def test_a_price_that_changes_is_never_charged_unseen(shop: Shop) -> None:
    book = shop.book(amount="5")
    put_into_cart(shop.api, shop.buyer, book)
    seen = shop.api.get(CART, headers=shop.buyer.headers).json()["total"]
    price = {"price": {"amount": "6", "currency": "EUR"}}
    assert shop.api.patch(f"{BOOKS}/{book}", json=price).status_code == 200
    answer = place(shop.api, shop.buyer, total=seen)
    assert parts(answer) == {"body/total": "total-changed"}
    assert answer.json()["errors"][0]["message"] == "It is 6.00 EUR"
    order = place(shop.api, shop.buyer).json()
    assert shop.api.patch(f"{BOOKS}/{book}", json={"title": "Other"}).status_code == 200
    path = f"{ORDERS}/{order['id']}"
    assert shop.api.get(path, headers=shop.buyer.headers).json()["lines"] == order["lines"]


def test_an_order_sent_again_is_placed_once(shop: Shop) -> None:
    book, again = shop.book(9), str(uuid4())
    put_into_cart(shop.api, shop.buyer, book)
    total = shop.api.get(CART, headers=shop.buyer.headers).json()["total"]
    first = place(shop.api, shop.buyer, total=total, same=again)
    assert first.status_code == 201
    second = place(shop.api, shop.buyer, total=total, same=again)
    assert (second.status_code, second.json()) == (201, first.json())
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["idempotency-replayed"] == "true"
    other = place(shop.api, shop.buyer, total={"amount": "1", "currency": "EUR"}, same=again)
    assert locations(other) == ["header/idempotency-key"]
    other_buyer = shopper(shop.api, shop.url)
    put_into_cart(shop.api, other_buyer, book)
    assert place(shop.api, other_buyer, same=again).json()["id"] != first.json()["id"]
    assert stock_of(shop.api, book)["reserved"] == 2


def test_the_same_order_sent_at_once_is_placed_once(shop: Shop) -> None:
    book, again = shop.book(9), str(uuid4())
    put_into_cart(shop.api, shop.buyer, book)
    total = shop.api.get(CART, headers=shop.buyer.headers).json()["total"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda _: place(shop.api, shop.buyer, total=total, same=again),
                range(12),
            )
        )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert stock_of(shop.api, book)["reserved"] == 1


def test_cancelling_gives_back_what_the_order_holds_and_no_more(shop: Shop) -> None:
    book = shop.book(5)
    unpaid, paid = shop.order((book, 2)), shop.order((book, 1))
    assert pay(shop.api, shop.buyer, paid["id"]).status_code == 200
    for order, state in ((unpaid, "cancelled"), (paid, "refunded")):
        path = f"{ORDERS}/{order['id']}/cancellation"
        for _ in range(2):
            answer = shop.api.post(path, json={}, headers=shop.buyer.headers)
            assert (answer.json()["state"], answer.json()["reason"]) == (state, "customer")
    assert staff_step(shop.api, paid["id"], "refund", restock=True).json()["state"] == "refunded"
    assert stock_of(shop.api, book) | {"book_id": 0} == {
        "book_id": 0, "on_hand": 5, "reserved": 0, "available": 5,
    }  # fmt: skip
    problem(pay(shop.api, shop.buyer, unpaid["id"]), 409)
    wait_until(lambda: payments_of(shop, paid) == [("refunded",)], "the money to go back")


def payments_of(shop: Shop, order: dict[str, Any]) -> list[tuple[Any, ...]]:
    id_ = _id(shop, order["id"])
    return shop.rows(f"SELECT state FROM payments WHERE order_id = '{id_}' ORDER BY id")  # noqa: S608


@pytest.mark.parametrize(("restock", "left"), [(False, 4), (True, 5)])
def test_what_came_back_is_sold_again_if_the_staff_says_so(
    shop: Shop, restock: bool, left: int
) -> None:
    book = shop.book(5)
    order = shop.order((book, 1))
    pay(shop.api, shop.buyer, order["id"])
    staff_step(shop.api, order["id"], "shipment")
    answer = staff_step(shop.api, order["id"], "refund", restock=restock)
    assert answer.json()["state"] == "refunded"
    assert stock_of(shop.api, book)["available"] == left


def test_a_failed_payment_keeps_the_copies_for_another_try(shop: Shop) -> None:
    book = shop.book(1)
    order = shop.order((book, 1))
    assert pay(shop.api, shop.buyer, order["id"], "decline").json()["state"] == "failed"
    assert stock_of(shop.api, book)["reserved"] == 1
    assert pay(shop.api, shop.buyer, order["id"]).json()["state"] == "captured"
    assert payments_of(shop, order) == [("failed",), ("captured",)]


def event(
    shop: Shop,
    kind: str,
    payment: dict[str, Any],
    *,
    id_: str | None = None,
    secret: str = SECRET,
    age: int = 0,
    **changes: Any,
) -> httpx.Response:
    """Send an event as the provider does, signed by code that is not ours: openssl."""
    data = {"payment_id": payment["id"], "amount": payment["amount"], **changes}
    body = json.dumps({"type": f"payment.{kind}", "data": data}, indent=1).encode()
    id_, timestamp = id_ or f"evt_{uuid4()}", str(int(time.time()) - age)
    signature = signed(secret, f"{id_}.{timestamp}.".encode() + body)
    headers = {
        "content-type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,bm90IG91cnM= v1,{signature}",
    }
    return shop.api.post(EVENTS, content=body, headers=headers)


def signed(secret: str, message: bytes) -> str:
    hexadecimal = base64.b64decode(secret).hex()
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{hexadecimal}"]
    done = subprocess.run([*command, "-binary"], input=message, capture_output=True, check=True)
    return base64.b64encode(done.stdout).decode()


def pending(shop: Shop, copies: int = 1) -> tuple[dict[str, Any], dict[str, Any], str]:
    """An order whose payment the provider will tell of later, the payment, and the book."""
    book = shop.book(copies)
    order = shop.order((book, 1))
    payment = pay(shop.api, shop.buyer, order["id"], "later").json()
    assert payment["state"] == "pending"
    return order, payment, book


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_an_event_that_is_signed_counts_once(shop: Shop, secret: str) -> None:
    order, payment, book = pending(shop)
    for _ in range(2):
        answer = event(shop, "succeeded", payment, id_=f"evt_{order['id']}", secret=secret)
        assert answer.status_code == 204, answer.text
    assert shop.state(order) == "paid"
    assert stock_of(shop.api, book)["on_hand"] == 0
    assert event(shop, "succeeded", payment).status_code == 204
    assert event(shop, "failed", payment).status_code == 204  # late: the money was taken
    assert shop.state(order) == "paid"
    assert pay(shop.api, shop.buyer, order["id"]).json()["state"] == "captured"


def test_forged_and_old_events_are_rejected(shop: Shop) -> None:
    order, payment, _ = pending(shop)
    other_secret = base64.b64encode(b"x" * 24).decode()
    for changes in ({"secret": other_secret}, {"age": 301}, {"age": -301}, {"id_": "x" * 256}):
        answer = event(shop, "succeeded", payment, **changes)
        problem(answer, 401)
    kind = {"content-type": "application/json"}
    problem(shop.api.post(EVENTS, content=b"{}", headers=kind), 401)
    assert shop.state(order) == "placed"
    replayed = event(shop, "succeeded", payment).request
    changed = replayed.content.replace(b"succeeded", b"refunded ")
    problem(shop.api.post(EVENTS, content=changed, headers=dict(replayed.headers)), 401)
    moved = dict(replayed.headers) | {"webhook-timestamp": str(int(time.time()) + 1)}
    problem(shop.api.post(EVENTS, content=replayed.content, headers=moved), 401)
    assert shop.state(order) == "paid"


def test_events_that_do_not_fit_change_nothing(shop: Shop) -> None:
    order, payment, _ = pending(shop)
    less = {"amount": "0.01", "currency": "EUR"}
    assert event(shop, "succeeded", payment, amount=less).status_code == 204
    assert event(shop, "succeeded", {**payment, "id": str(uuid4())}).status_code == 204
    assert event(shop, "disputed", payment).status_code == 204
    assert locations(event(shop, "succeeded", payment, amount={"amount": "1"})) == ["body/data"]
    assert shop.state(order) == "placed"
    outcomes = shop.rows("SELECT DISTINCT outcome FROM payment_events ORDER BY outcome")
    assert {("mismatch",), ("unknown",)} <= set(outcomes)


def test_money_for_what_can_not_be_sold_any_more_goes_back(shop: Shop) -> None:
    order, payment, book = pending(shop)
    path = f"{ORDERS}/{order['id']}/cancellation"
    assert shop.api.post(path, json={}, headers=shop.buyer.headers).status_code == 200
    other = shop.order((book, 1))
    assert event(shop, "succeeded", payment).status_code == 204
    assert shop.state(order) == "cancelled"
    assert pay(shop.api, shop.buyer, other["id"]).json()["state"] == "captured"
    wait_until(lambda: payments_of(shop, order) == [("refunded",)], "the money to go back")


def test_a_failure_that_was_none_after_all(shop: Shop) -> None:
    """The provider says that it failed, another payment succeeds, then it says it succeeded."""
    order, payment, _ = pending(shop, 2)
    assert event(shop, "failed", payment).status_code == 204
    assert pay(shop.api, shop.buyer, order["id"]).json()["state"] == "captured"
    assert event(shop, "succeeded", payment).status_code == 204
    wait_until(
        lambda: payments_of(shop, order) == [("refunded",), ("captured",)], "the money to go back"
    )
    assert shop.state(order) == "paid"


def test_erasure_keeps_orders_and_forgets_the_address(shop: Shop) -> None:
    api, who = shop.api, shopper(shop.api, shop.url)
    book = shop.book(3)
    done, unpaid = (shop.order((book, 1), buyer=who) for _ in range(2))
    pay(api, who, done["id"])
    put_into_cart(api, who, book)
    body = {"password": PASSWORD}
    path = f"{ACCOUNTS}/me/erasure"
    problem(api.post(path, json=body, headers=who.headers), 409)
    for step in ("shipment", "delivery"):
        staff_step(api, done["id"], step)
    exported = api.get(f"{ACCOUNTS}/me/export", headers=who.headers).json()["data"]["orders"]
    assert [order["id"] for order in exported["orders"]] == [done["id"], unpaid["id"]]
    assert api.post(path, json=body, headers=who.headers).status_code == 204
    for order, state in ((done, "delivered"), (unpaid, "cancelled")):
        read = api.get(f"{STAFF_ORDERS}/{order['id']}").json()
        assert (read["state"], read["ship_to"], read["total"]) == (state, None, order["total"])
    assert stock_of(api, book)["available"] == 2
    id_ = _id(shop, who.id)
    assert shop.rows(f"SELECT count(*) FROM cart_lines WHERE account_id = '{id_}'") == [(0,)]  # noqa: S608
    scope = who.id.replace("-", "")
    assert shop.rows(f"SELECT count(*) FROM idempotency_keys WHERE scope = '{scope}'") == [(0,)]  # noqa: S608


def test_the_staff_lists_orders_by_state(shop: Shop) -> None:
    order = shop.order((shop.book(), 1))
    listed = shop.api.get(STAFF_ORDERS, params={"state": "placed", "limit": 1}).json()
    assert [item["id"] for item in listed["items"]] == [order["id"]]
    assert locations(shop.api.get(STAFF_ORDERS, params={"state": "lost"})) == ["query/state"]


def test_which_state_follows_which() -> None:
    order = [State.PLACED, State.PAID, State.SHIPPED, State.DELIVERED]
    for before, after in pairwise(order):
        assert may_become(before, after)
        assert not may_become(after, before)
    assert {state for state in State if not NEXT[state]} == {State.CANCELLED, State.REFUNDED}
    assert not may_become("of-newer-code", State.PAID)


def test_the_number_of_statements_does_not_grow_with_what_is_shown(shop: Shop) -> None:
    api, who = shop.api, shopper(shop.api, shop.url)
    books = [shop.book(9) for _ in range(4)]
    counts: dict[str, list[int]] = {}

    def ask(name: str, call: Callable[[], httpx.Response]) -> None:
        with recorded() as statements:
            answer = call()
        assert answer.is_success, answer.text
        counts.setdefault(name, []).append(len(statements))

    for quantity in (1, 4):
        for book in books[:quantity]:
            put_into_cart(api, who, book)
        ask("cart", lambda: api.get(CART, headers=who.headers))
        total = {"amount": "9.90" if quantity == 1 else "39.60", "currency": "EUR"}
        ask("checkout", partial(place, api, who, total=total))
        [order] = api.get(ORDERS, headers=who.headers, params={"limit": 1}).json()["items"]
        ask("orders", lambda: api.get(ORDERS, headers=who.headers))
        ask("all orders", partial(api.get, STAFF_ORDERS, params={"limit": 1 + 2 * quantity}))
        ask("pay", partial(pay, api, who, order["id"]))
    # Of several books, the stocks are locked in one order first.
    locks = {"checkout": 1, "pay": 1}
    for name, (few, many) in counts.items():
        assert many <= few + locks.get(name, 0), (name, counts)
    most = {"cart": 4, "checkout": 11, "orders": 4, "all orders": 3, "pay": 19}
    assert {name: few for name, (few, _) in counts.items() if few > most[name]} == {}
