"""Orders for tests: filled into carts, placed and paid over HTTP."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from tests.support.shoppers import Shopper

CART, ORDERS, STAFF_ORDERS = "/api/v1/cart", "/api/v1/orders", "/api/v1/back-office/orders"
ADDRESS = {
    "name": "Ada Lovelace",
    "street": "12 St James's Square",
    "city": "London",
    "postal_code": "SW1Y 4JH",
    "country": "GB",
}


def key(text: str | None = None) -> dict[str, str]:
    """The header with a key, a new one if none is given."""
    return {"idempotency-key": text or str(uuid4())}


def stock(
    client: httpx.Client, book_id: str, copies: int, headers: Mapping[str, str] | None = None
) -> None:
    """Add copies of a book to its stock."""
    body = {"kind": "received", "quantity": copies}
    path = f"/api/v1/stock/{book_id}/moves"
    answer = client.post(path, json=body, headers={**(headers or {}), **key()})
    assert answer.status_code == 201, answer.text


def put_into_cart(client: httpx.Client, who: Shopper, book_id: str, quantity: int = 1) -> Any:
    """Put copies of a book into somebody's cart; the cart."""
    path = f"{CART}/items/{book_id}"
    answer = client.put(path, json={"quantity": quantity}, headers=who.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def place(
    client: httpx.Client, who: Shopper, *, total: object = None, same: str | None = None
) -> httpx.Response:
    """Place an order for what is in somebody's cart, at its total if none is given."""
    if total is None:
        total = client.get(CART, headers=who.headers).json()["total"]
    body = {"total": total, "ship_to": ADDRESS}
    return client.post(ORDERS, json=body, headers={**who.headers, **key(same)})


def pay(
    client: httpx.Client, who: Shopper, order_id: str, method: str = "approve"
) -> httpx.Response:
    """Pay an order."""
    path = f"{ORDERS}/{order_id}/payments"
    return client.post(path, json={"method": method}, headers=who.headers)


def staff_step(
    client: httpx.Client,
    order_id: str,
    step: str,
    headers: Mapping[str, str] | None = None,
    **body: Any,
) -> httpx.Response:
    """Do what the staff does with an order."""
    return client.post(f"{STAFF_ORDERS}/{order_id}/{step}", json=body, headers=dict(headers or {}))
