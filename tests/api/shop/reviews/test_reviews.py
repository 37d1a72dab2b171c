"""Reviews over HTTP, on both databases, by a real server."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.api.shop.catalog.test_books import locations, problem
from tests.api.shop.orders.test_orders import Shop, shop  # noqa: F401 - a fixture
from tests.support.orders import pay, staff_step
from tests.support.queries import recorded
from tests.support.shoppers import ACCOUNTS, PASSWORD, Shopper, shopper


def delivered(shop: Shop, book: str, buyer: Shopper) -> None:  # noqa: F811
    order = shop.order((book, 1), buyer=buyer)
    pay(shop.api, buyer, order["id"])
    for step in ("shipment", "delivery"):
        assert staff_step(shop.api, order["id"], step).status_code == 200


def review(shop: Shop, book: str, who: Shopper, rating: int, **more: Any) -> httpx.Response:  # noqa: F811
    path = f"/api/v1/books/{book}/review"
    return shop.api.put(path, json={"rating": rating, **more}, headers=who.headers)


def rating(shop: Shop, *books: str) -> list[tuple[int, str | None]]:  # noqa: F811
    answer = shop.api.get("/api/v1/ratings", params={"books": ",".join(books)})
    assert answer.status_code == 200, answer.text
    return [(item["count"], item["average"]) for item in answer.json()]


def test_a_book_is_reviewed_once_by_whom_it_was_delivered_to(shop: Shop) -> None:  # noqa: F811
    book, other = shop.book(9), shop.book(9)
    one, two = (shopper(shop.api, shop.url) for _ in range(2))
    order = shop.order((book, 1), buyer=one)
    problem(review(shop, book, one, 5), 409)
    pay(shop.api, one, order["id"])
    problem(review(shop, book, one, 5), 409)
    for step in ("shipment", "delivery"):
        staff_step(shop.api, order["id"], step)
    delivered(shop, book, two)
    first = review(shop, book, one, 5, text="Good\nall the way").json()
    assert review(shop, book, two, 4).status_code == 200
    assert rating(shop, book, other) == [(2, "4.50"), (0, None)]
    again = review(shop, book, one, 2).json()
    assert (again["id"], again["text"]) == (first["id"], None)
    assert rating(shop, book) == [(2, "3.00")]
    listed = shop.api.get(f"/api/v1/books/{book}/reviews").json()["items"]
    assert [item["rating"] for item in listed] == [4, 2]
    assert listed[1]["author"] == "A Shopper"
    for wrong in (0, 6, "5", 4.5):
        assert locations(review(shop, book, one, wrong)) == ["body/rating"]  # type: ignore[arg-type]
    path = f"/api/v1/books/{book}/review"
    assert shop.api.delete(path, headers=two.headers).status_code == 204
    problem(shop.api.delete(path, headers=two.headers), 404)
    assert shop.api.delete(f"/api/v1/back-office/reviews/{first['id']}").status_code == 204
    problem(shop.api.delete(f"/api/v1/back-office/reviews/{first['id']}"), 404)
    assert rating(shop, book) == [(0, None)]


def test_the_rating_is_that_of_all_who_write_at_once(shop: Shop) -> None:  # noqa: F811
    book = shop.book(9)
    buyers = [shopper(shop.api, shop.url) for _ in range(4)]
    for buyer in buyers:
        delivered(shop, book, buyer)
    with ThreadPoolExecutor(8) as pool:
        twice = [(buyer, points) for points in (1, 5) for buyer in buyers]
        answers = pool.map(lambda each: review(shop, book, *each).status_code, twice)
    assert set(answers) == {200}
    count, average = rating(shop, book)[0]
    items = shop.api.get(f"/api/v1/books/{book}/reviews").json()["items"]
    assert count == len(items) == 4
    assert average == f"{sum(item['rating'] for item in items) / 4:.2f}"
    body = {"password": PASSWORD}
    erased = shop.api.post(f"{ACCOUNTS}/me/erasure", json=body, headers=buyers[0].headers)
    assert erased.status_code == 204
    assert rating(shop, book)[0][0] == 3


def test_ratings_of_a_page_are_one_statement(shop: Shop) -> None:  # noqa: F811
    with recorded() as statements:
        rating(shop, *(shop.buyer.id for _ in range(100)))
    assert len([each for each in statements if "book_ratings" in each]) == 1
    assert len(statements) <= 2  # SQLite begins by a statement
    for wrong in ("", "x", f"{shop.buyer.id},", ",".join([shop.buyer.id] * 101)):
        answer = shop.api.get("/api/v1/ratings", params={"books": wrong})
        assert locations(answer) == ["query/books"]
