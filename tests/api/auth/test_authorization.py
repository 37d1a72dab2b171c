"""The authorization matrix: every route, every role, one's own objects and those of others.

A route without a row fails. To add routes, add rows: which of ANYBODY, STAFF, ACCOUNT and ADMINS a
route is for says what each role gets. Bodies are empty objects, which every route refuses, so that
whoever is let in gets a 422 and nothing is changed. What takes no body is done, and needs objects:
`{name}` of a path is looked up in OBJECTS, once for an object of one's own, once for another's.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from bookstore_api.auth.routes import GuardedRoute
from bookstore_api.settings import Settings
from bookstore_api.shop.catalog.isbn import make_isbn
from bookstore_api.shop.domains import DOMAINS
from tests.support.bookstore import UNLIMITED, app_of, served
from tests.support.orders import pay, place, put_into_cart, staff_step, stock
from tests.support.shoppers import Shopper, bearer, register, shopper, sign_in

TOKEN = "staff-0123456789abcdef0123456789abcdef"
NOBODY = "00000000-0000-7000-8000-000000000000"
ROLES = ("anonymous", "forged", "automation", "customer", "staff", "admin")
REJECTED = {401, 403}
# Done, or a body or a header is missing.
DONE = {200, 204, 422, 428}
IN = "in"  # let in: any status but those

Answers = dict[str, int | str]
ANYBODY: Answers = dict.fromkeys(ROLES, IN)
STAFF: Answers = ANYBODY | {"anonymous": 401, "forged": 401, "customer": 403}
BACK_OFFICE = STAFF  # routes that only the staff reads, too
ACCOUNT: Answers = ANYBODY | {"anonymous": 401, "forged": 401, "automation": 401}
ADMINS: Answers = ACCOUNT | {"customer": 403, "staff": 403}

ROWS: dict[tuple[str, str], Answers] = {
    ("GET", "/docs"): ANYBODY,
    ("GET", "/openapi.json"): ANYBODY,
    # catalog
    ("GET", "/api/v1/books"): ANYBODY,
    ("POST", "/api/v1/books"): STAFF,
    ("GET", "/api/v1/books/{book_id}"): ANYBODY,
    ("PATCH", "/api/v1/books/{book_id}"): STAFF,
    ("DELETE", "/api/v1/books/{book_id}"): STAFF,
    ("POST", "/api/v1/books/{deleted_book_id}/restore"): STAFF,
    ("GET", "/api/v1/books-csv"): ANYBODY,
    ("POST", "/api/v1/books-csv"): STAFF,
    ("GET", "/api/v1/authors"): ANYBODY,
    ("GET", "/api/v1/authors/{author_id}"): ANYBODY,
    ("PATCH", "/api/v1/authors/{author_id}"): STAFF,
    ("GET", "/api/v1/publishers"): ANYBODY,
    ("POST", "/api/v1/publishers"): STAFF,
    ("GET", "/api/v1/publishers/{publisher_id}"): ANYBODY,
    ("PATCH", "/api/v1/publishers/{publisher_id}"): STAFF,
    ("DELETE", "/api/v1/publishers/{publisher_id}"): STAFF,
    ("GET", "/api/v1/categories"): ANYBODY,
    ("POST", "/api/v1/categories"): STAFF,
    ("GET", "/api/v1/categories/{category_id}"): ANYBODY,
    ("PATCH", "/api/v1/categories/{category_id}"): STAFF,
    ("DELETE", "/api/v1/categories/{category_id}"): STAFF,
    # inventory
    ("GET", "/api/v1/books/{book_id}/availability"): ANYBODY,
    ("GET", "/api/v1/stock/{book_id}"): BACK_OFFICE,
    ("GET", "/api/v1/stock/{book_id}/moves"): BACK_OFFICE,
    ("POST", "/api/v1/stock/{book_id}/moves"): BACK_OFFICE,
    # orders
    ("GET", "/api/v1/cart"): ACCOUNT,
    ("DELETE", "/api/v1/cart"): ACCOUNT,
    ("PUT", "/api/v1/cart/items/{cart_book_id}"): ACCOUNT,
    ("DELETE", "/api/v1/cart/items/{cart_book_id}"): ACCOUNT,
    ("GET", "/api/v1/orders"): ACCOUNT,
    ("POST", "/api/v1/orders"): ACCOUNT,
    ("GET", "/api/v1/orders/{order_id}"): ACCOUNT,
    ("POST", "/api/v1/orders/{order_id}/cancellation"): ACCOUNT,
    ("POST", "/api/v1/orders/{order_id}/payments"): ACCOUNT,
    ("GET", "/api/v1/back-office/orders"): BACK_OFFICE,
    ("GET", "/api/v1/back-office/orders/{order_id}"): BACK_OFFICE,
    ("POST", "/api/v1/back-office/orders/{order_id}/cancellation"): BACK_OFFICE,
    ("POST", "/api/v1/back-office/orders/{paid_order_id}/shipment"): BACK_OFFICE,
    ("POST", "/api/v1/back-office/orders/{shipped_order_id}/delivery"): BACK_OFFICE,
    ("POST", "/api/v1/back-office/orders/{paid_order_id}/refund"): BACK_OFFICE,
    # reviews
    ("GET", "/api/v1/books/{book_id}/reviews"): ANYBODY,
    ("GET", "/api/v1/ratings"): ANYBODY,
    ("PUT", "/api/v1/books/{reviewed_book_id}/review"): ACCOUNT,
    ("DELETE", "/api/v1/books/{reviewed_book_id}/review"): ACCOUNT,
    ("DELETE", "/api/v1/back-office/reviews/{review_id}"): BACK_OFFICE,
    # accounts
    ("POST", "/api/v1/accounts"): ANYBODY,
    ("GET", "/api/v1/accounts"): ADMINS,
    ("GET", "/api/v1/accounts/me"): ACCOUNT,
    ("PATCH", "/api/v1/accounts/me"): ACCOUNT,
    ("PUT", "/api/v1/accounts/me/password"): ACCOUNT,
    ("GET", "/api/v1/accounts/me/export"): ACCOUNT,
    ("POST", "/api/v1/accounts/me/erasure"): ACCOUNT,
    ("GET", "/api/v1/accounts/{account_id}"): ADMINS,
    ("PATCH", "/api/v1/accounts/{account_id}"): ADMINS,
    ("POST", "/api/v1/password-resets"): ANYBODY,
    ("POST", "/api/v1/password-resets/confirm"): ANYBODY,
    ("POST", "/api/v1/tokens"): ANYBODY,
    ("GET", "/api/v1/sessions"): ACCOUNT,
    ("DELETE", "/api/v1/sessions"): ACCOUNT,
    ("DELETE", "/api/v1/sessions/current"): ACCOUNT,
    ("DELETE", "/api/v1/sessions/{session_id}"): ACCOUNT,
}
# Public, and 503 as no secrets of a provider are mounted.
ROWS["POST", "/api/v1/payment-events"] = dict.fromkeys(ROLES, 503)
# Public, and 401 all the same: of the credentials in the body.
ROWS["POST", "/api/v1/sessions"] = ANYBODY
# What another's object answers to a role that the row lets in; whatever is not here is the same.
OF_ANOTHER: dict[tuple[str, str], int] = {
    ("DELETE", "/api/v1/sessions/{session_id}"): 404,
    ("DELETE", "/api/v1/cart/items/{cart_book_id}"): 404,
    ("DELETE", "/api/v1/books/{reviewed_book_id}/review"): 404,
    ("GET", "/api/v1/orders/{order_id}"): 404,
    ("POST", "/api/v1/orders/{order_id}/cancellation"): 404,
}


@dataclass(frozen=True)
class World:
    """A server, a way to make somebody with a role, and one who owns what is another's."""

    client: httpx.Client
    url: str
    another: Shopper
    shoppers: dict[str, Shopper] = field(default_factory=dict)

    def headers(self, role: str, *, fresh: bool) -> tuple[dict[str, str], Shopper | None]:
        """What somebody of a role sends, and who that is."""
        if role == "automation":
            return bearer(TOKEN), None
        if role in {"anonymous", "forged"}:
            forged = self.another.access_token[:-3] + "AAA"
            return (bearer(forged) if role == "forged" else {}), None
        if fresh:  # known to nobody else, as their session is about to end
            who = shopper(self.client, self.url, role)
            return who.headers, who
        if role not in self.shoppers:
            self.shoppers[role] = shopper(self.client, self.url, role)
        return self.shoppers[role].headers, self.shoppers[role]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("matrix")
    shutil.copy(migrated_file, folder / "books.db")
    url = f"sqlite:///{folder / 'books.db'}"
    values = {"database_url": url, "secrets_dir": folder, "staff_token": TOKEN, **UNLIMITED}
    values["payment_provider"] = "test"
    with served(app_of(Settings.model_validate(values))) as client:
        yield World(client, url, shopper(client, url))


def new_book(world: World, _owner: Shopper) -> str:
    body = {
        "isbn": make_isbn(next(_books)),
        "title": "A",
        "authors": ["B"],
        "price": {"amount": "1", "currency": "EUR"},
    }
    created = world.client.post("/api/v1/books", json=body, headers=bearer(TOKEN))
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


def deleted_book(world: World, owner: Shopper) -> str:
    id_ = new_book(world, owner)
    answer = world.client.delete(f"/api/v1/books/{id_}", headers=bearer(TOKEN))
    assert answer.status_code == 204, answer.text
    return id_


def author_of_book(world: World, owner: Shopper) -> str:
    new_book(world, owner)
    authors = world.client.get("/api/v1/authors", params={"name": "B"}).json()["items"]
    return str(authors[0]["id"])


def new_named(world: World, kind: str) -> str:
    body = {"name": f"Name {next(_books)}"}
    created = world.client.post(f"/api/v1/{kind}", json=body, headers=bearer(TOKEN))
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


def book_in_cart(world: World, owner: Shopper) -> str:
    id_ = new_book(world, owner)
    put_into_cart(world.client, owner, id_)
    return id_


def new_order(world: World, owner: Shopper, *steps: str) -> str:
    stock(world.client, (id_ := new_book(world, owner)), 1, bearer(TOKEN))
    world.client.delete("/api/v1/cart", headers=owner.headers)
    put_into_cart(world.client, owner, id_)
    order_id: str = place(world.client, owner).json()["id"]
    if steps:
        assert pay(world.client, owner, order_id).json()["state"] == "captured"
    for step in steps[1:]:
        answer = staff_step(world.client, order_id, step, bearer(TOKEN))
        assert answer.status_code == 200, answer.text
    return order_id


def new_review(world: World, owner: Shopper) -> dict[str, str]:
    order_id = new_order(world, owner, "paid", "shipment", "delivery")
    order = world.client.get(f"/api/v1/orders/{order_id}", headers=owner.headers).json()
    path = f"/api/v1/books/{order['lines'][0]['book_id']}/review"
    review: dict[str, str] = world.client.put(
        path, json={"rating": 5}, headers=owner.headers
    ).json()
    return review


_books = iter(range(1, 100_000))
OBJECTS: dict[str, Callable[[World, Shopper], str]] = {
    "book_id": new_book,
    "deleted_book_id": deleted_book,
    "author_id": author_of_book,
    "publisher_id": lambda world, _owner: new_named(world, "publishers"),
    "category_id": lambda world, _owner: new_named(world, "categories"),
    "cart_book_id": book_in_cart,
    "order_id": new_order,
    "paid_order_id": lambda world, owner: new_order(world, owner, "paid"),
    "shipped_order_id": lambda world, owner: new_order(world, owner, "paid", "shipment"),
    "reviewed_book_id": lambda world, owner: new_review(world, owner)["book_id"],
    "review_id": lambda world, owner: new_review(world, owner)["id"],
    "account_id": lambda _world, owner: owner.id,
    "session_id": lambda world, owner: (
        sign_in(world.client, {"email": owner.email, "id": owner.id}).session_id
    ),
}


def operations() -> set[tuple[str, str]]:
    """Every route, without HEAD, which is answered as GET is."""
    app = app_of(Settings.model_validate({"database_url": "sqlite:///unused.db"}))
    plain = [route for route in app.routes if isinstance(route, Route)]
    return {
        (method, route.path)
        for route in (*plain, *domain_routes())
        for method in (route.methods or ())
        if method != "HEAD"
    }


def domain_routes() -> list[APIRoute]:
    """The routes of all domains."""
    routes = [route for domain in DOMAINS for route in domain.router.routes]
    assert all(isinstance(route, APIRoute) for route in routes), "no routers within routers"
    return [route for route in routes if isinstance(route, APIRoute)]


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    found = operations()
    assert found - ROWS.keys() == set(), "add these routes to ROWS: who may use them?"
    assert ROWS.keys() - found == set(), "these routes are gone"
    unguarded = [route.path for route in domain_routes() if not isinstance(route, GuardedRoute)]
    assert not unguarded, "make these of one of the classes in auth/routes.py"


def test_head_is_for_whom_get_is() -> None:
    access: dict[str, set[object]] = {}
    for route in domain_routes():
        if {"GET", "HEAD"} & (route.methods or set()):
            access.setdefault(route.path, set()).add(getattr(route, "access", None))
    assert all(len(kinds) == 1 for kinds in access.values())


def answer_of(world: World, method: str, template: str, role: str, *, own: bool) -> int:
    # Signing in takes time: only whoever may end their own session is somebody new.
    ends_sessions = method == "DELETE" and template.startswith("/api/v1/sessions")
    headers, who = world.headers(role, fresh=ends_sessions)
    owner = who if own and who else world.another
    names = {
        name: make(world, owner) for name, make in OBJECTS.items() if f"{{{name}}}" in template
    }
    body: dict[str, str] | None = {} if method in {"POST", "PUT", "PATCH"} else None
    path = template.format(**names)
    return world.client.request(method, path, headers=headers, json=body).status_code


@pytest.mark.parametrize(("method", "template"), sorted(ROWS))
def test_each_role_gets_what_its_cell_says(world: World, method: str, template: str) -> None:
    for role in ROLES:
        expected = ROWS[method, template][role]
        for own in (True, False) if "{" in template else (True,):
            status = answer_of(world, method, template, role, own=own)
            cell = f"{method} {template} as {role}, own: {own}"
            if expected != IN:
                assert status == expected, cell
            elif not own and (method, template) in OF_ANOTHER:
                assert status == OF_ANOTHER[method, template], cell
            else:
                assert status not in REJECTED, cell
                assert status < 500, cell
                assert not own or "{" not in template or status in DONE, cell


def test_a_role_that_is_taken_away_counts_at_once(world: World) -> None:
    admin, other = shopper(world.client, world.url, "admin"), shopper(world.client, world.url)
    staff = shopper(world.client, world.url, "staff")
    book = f"/api/v1/books/{new_book(world, other)}"
    assert world.client.patch(book, json={}, headers=staff.headers).status_code == 200
    path = f"/api/v1/accounts/{staff.id}"
    answer = world.client.patch(path, json={"role": "customer"}, headers=admin.headers)
    assert answer.status_code == 200
    assert world.client.patch(book, json={}, headers=staff.headers).status_code == 401


def test_the_staff_token_is_no_account(world: World) -> None:
    register(world.client)
    for path in ("/api/v1/accounts", "/api/v1/accounts/me", f"/api/v1/accounts/{NOBODY}"):
        assert world.client.get(path, headers=bearer(TOKEN)).status_code == 401
