"""Places an order for what is in a cart, in its caller's transaction.

The locks are taken in one order everywhere: the account, the order, its payment, the stocks.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bookstore_api.auth.principal import Principal
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.errors import ConflictError, Part
from bookstore_api.kit.ids import new_id
from bookstore_api.kit.money import from_minor_units
from bookstore_api.shop.accounts.accounts import live_account
from bookstore_api.shop.catalog.models import Book
from bookstore_api.shop.inventory import service as inventory
from bookstore_api.shop.orders import repository
from bookstore_api.shop.orders.cart import total_of
from bookstore_api.shop.orders.models import CartLine, Order, OrderLine
from bookstore_api.shop.orders.schemas import Checkout
from bookstore_api.shop.orders.states import State

HOLD = timedelta(minutes=15)
"""How long copies are reserved for an order that is not paid."""

_Lines = Sequence[tuple[CartLine, Book]]


async def place(session: WriteSession, caller: Principal, body: Checkout) -> Order:
    """Place an order; raises ConflictError, which names every book that is in the way."""
    account = await live_account(session, caller, locked=True)
    lines = await repository.cart(session, account.id)
    minor, currency = _check(lines, body)
    order = _make(account.id, lines, body)
    order.total_minor, order.currency = minor, currency
    wanted = {book.id: line.quantity for line, book in lines}
    if short := await inventory.reserve(session, order.id, wanted, order.expires_at):
        msg = "Not enough copies are available: change the cart and place the order again."
        parts = [_part(id_, f"{left} available", "out-of-stock") for id_, left in short.items()]
        raise ConflictError(msg, parts)
    await repository.add(session, order)
    await repository.empty_cart(session, account.id)
    return order


def _check(lines: _Lines, body: Checkout) -> tuple[int, str]:
    """Return the total of a cart that can be ordered as it is; raises ConflictError."""
    if not lines:
        msg = "The cart is empty."
        raise ConflictError(msg)
    if gone := [book.id for _, book in lines if book.deleted_at is not None]:
        msg = "Some books are not for sale any more: take them out of the cart."
        raise ConflictError(msg, [_part(id_, "Not for sale any more", "gone") for id_ in gone])
    total = total_of(lines)
    if total is None:
        msg = "An order has one currency: place one order for the books of each."
        parts = [_part(book.id, f"Priced in {book.currency}", "currency") for _, book in lines]
        raise ConflictError(msg, parts)
    if total != (body.total.minor, body.total.currency):
        shown = f"{from_minor_units(*total)} {total[1]}"
        msg = "The total has changed: show it to the customer, and place the order again."
        raise ConflictError(msg, [Part("body/total", f"It is {shown}", "total-changed")])
    return total


def _make(account_id: UUID, lines: _Lines, body: Checkout) -> Order:
    now, order_id = datetime.now(UTC), new_id()
    return Order(
        id=order_id,
        account_id=account_id,
        state=State.PLACED.value,
        ship_to=body.ship_to.model_dump(),
        version=1,
        created_at=now,
        updated_at=now,
        expires_at=now + HOLD,
        lines=[
            OrderLine(
                order_id=order_id,
                position=position,
                book_id=book.id,
                isbn=book.isbn,
                title=book.title,
                quantity=line.quantity,
                unit_minor=book.price_minor,
            )
            for position, (line, book) in enumerate(lines)
        ],
    )


def _part(book_id: UUID, message: str, code: str) -> Part:
    return Part(f"cart/{book_id}", message, code)
