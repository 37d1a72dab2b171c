"""What can be done with carts. Each function runs in its caller's transaction."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from bookstore_api.auth.principal import Principal
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.kit.errors import ConflictError, NotFoundError
from bookstore_api.shop.accounts.accounts import live_account
from bookstore_api.shop.catalog import repository as catalog
from bookstore_api.shop.catalog.models import Book
from bookstore_api.shop.inventory import service as inventory
from bookstore_api.shop.orders import repository
from bookstore_api.shop.orders.models import CartLine
from bookstore_api.shop.orders.schemas import MAX_LINES, CartRead, to_cart, to_cart_line


async def read_cart(session: ReadSession, caller: Principal) -> CartRead:
    """Read the caller's cart; raises UnauthenticatedError."""
    account = await live_account(session, caller)
    return await _show(session, account.id)


async def put(session: WriteSession, caller: Principal, book_id: UUID, quantity: int) -> CartRead:
    """Set how many copies of a book are in the cart; raises NotFoundError, ConflictError."""
    account = await live_account(session, caller, locked=True)
    if not await catalog.keep(session, book_id):
        msg = "There is no book with this id."
        raise NotFoundError(msg)
    if await repository.cart_size(session, account.id, without=book_id) >= MAX_LINES:
        msg = f"A cart has {MAX_LINES} books at most: place an order first."
        raise ConflictError(msg)
    await repository.put_into_cart(session, account.id, book_id, quantity, datetime.now(UTC))
    return await _show(session, account.id)


async def take(session: WriteSession, caller: Principal, book_id: UUID) -> None:
    """Take a book out of the cart; raises NotFoundError where it is not in it."""
    account = await live_account(session, caller, locked=True)
    if not await repository.take_from_cart(session, account.id, book_id):
        msg = "The book is not in the cart."
        raise NotFoundError(msg)


async def empty(session: WriteSession, caller: Principal) -> None:
    """Take everything out of the cart; raises UnauthenticatedError."""
    account = await live_account(session, caller, locked=True)
    await repository.empty_cart(session, account.id)


def total_of(lines: Sequence[tuple[CartLine, Book]]) -> tuple[int, str] | None:
    """Return what books cost in all; None of none, and of several currencies."""
    currencies = {book.currency for _, book in lines}
    if len(currencies) != 1:
        return None
    return sum(line.quantity * book.price_minor for line, book in lines), currencies.pop()


async def _show(session: ReadSession, account_id: UUID) -> CartRead:
    lines = await repository.cart(session, account_id)
    available = await inventory.available(session, [book.id for _, book in lines])
    shown = [to_cart_line(line, book, available[book.id]) for line, book in lines]
    return to_cart(shown, total_of(lines))
