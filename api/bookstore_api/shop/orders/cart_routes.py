"""Carts over HTTP."""

from http import HTTPStatus

from fastapi import Response

from bookstore_api.auth.dependencies import Caller
from bookstore_api.auth.routes import AccountRoute
from bookstore_api.kit.parameters import Id
from bookstore_api.kit.problems import describe
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Reading, Writing
from bookstore_api.shop.orders import cart
from bookstore_api.shop.orders.schemas import CartItem, CartRead

router = Router(
    prefix="/api/v1/cart",
    tags=["cart"],
    route_class=AccountRoute,
    responses=describe(422, 429, 503),
)


@router.get("", responses=describe(412))
async def read_cart(read: Reading, caller: Caller) -> CartRead:
    """Read one's cart, at the prices of now."""
    return await read(lambda session: cart.read_cart(session, caller))


@router.put("/items/{cart_book_id}", responses=describe(404, 409))
async def put_into_cart(
    write: Writing, caller: Caller, cart_book_id: Id, body: CartItem
) -> CartRead:
    """Set how many copies of a book are in one's cart."""
    return await write(lambda session: cart.put(session, caller, cart_book_id, body.quantity))


@router.delete(
    "/items/{cart_book_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=describe(404),
)
async def take_from_cart(write: Writing, caller: Caller, cart_book_id: Id) -> None:
    """Take a book out of one's cart."""
    await write(lambda session: cart.take(session, caller, cart_book_id))


@router.delete("", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def empty_cart(write: Writing, caller: Caller) -> None:
    """Take everything out of one's cart."""
    await write(lambda session: cart.empty(session, caller))
