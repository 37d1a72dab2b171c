"""What can be done with stocks. Each function runs in its caller's transaction.

Copies of an order are reserved until it is paid, and sold then. An order whose reservations are
gone can't be paid: what ends one ends both.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from bookstore_api.auth.principal import Principal
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.kit.cursors import CursorFactory, Place
from bookstore_api.kit.errors import ConflictError, NotFoundError
from bookstore_api.kit.pagination import Page
from bookstore_api.shop.audit.service import Change, record
from bookstore_api.shop.catalog import repository as catalog
from bookstore_api.shop.catalog.service import read_book
from bookstore_api.shop.inventory import repository
from bookstore_api.shop.inventory.schemas import MoveCreate, MoveRead, StockRead, to_move, to_stock

MAX_ON_HAND = 1_000_000_000
RELEASE_ROWS = 500


class Kind(StrEnum):
    """Why copies came or went."""

    RECEIVED = "received"
    CORRECTED = "corrected"
    SOLD = "sold"
    RETURNED = "returned"


async def read_stock(session: ReadSession, book_id: UUID) -> StockRead:
    """Read the stock of a book of the catalog; raises NotFoundError."""
    await read_book(session, book_id)
    return to_stock(book_id, await repository.find(session, book_id))


async def available(session: ReadSession, book_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return how many copies can be reserved of each book."""
    return await repository.available(session, book_ids)


async def list_moves(
    session: ReadSession,
    book_id: UUID,
    cursors: CursorFactory,
    *,
    after: str | None,
    limit: int,
) -> Page[MoveRead]:
    """List the moves of a book's stock, the newest first; raises NotFoundError."""
    await read_book(session, book_id)
    of_list = await cursors.of(session, "stock-moves", book_id)
    before = None if after is None else of_list.decode(after).id
    rows = await repository.moves(session, book_id, before=before, limit=limit + 1)
    return of_list.page_of(rows, limit, place=lambda row: Place("", row.id), show=to_move)


async def move(
    session: WriteSession, caller: Principal, book_id: UUID, body: MoveCreate
) -> tuple[UUID, StockRead]:
    """Add copies to a stock or take some out; raises NotFoundError, ConflictError."""
    if not await catalog.keep(session, book_id):
        msg = "There is no book with this id."
        raise NotFoundError(msg)
    now = datetime.now(UTC)
    await repository.ensure_stock(session, book_id, now)
    if not await repository.add_to_stock(session, book_id, body.quantity, MAX_ON_HAND, now):
        msg = "The stock can't be below what is reserved of it, nor above 1,000,000,000."
        raise ConflictError(msg)
    [move_id] = await repository.add_moves(session, body.kind, {book_id: body.quantity}, now)
    stock = await repository.find(session, book_id)
    assert stock is not None  # noqa: S101 - changed above, in this transaction
    before, after = {"on_hand": stock.on_hand - body.quantity}, {"on_hand": stock.on_hand}
    await record(session, caller, Change("stock.move", "book", book_id, before, after))
    return move_id, to_stock(book_id, stock)


async def reserve(
    session: WriteSession, order_id: UUID, wanted: Mapping[UUID, int], expires_at: datetime
) -> Mapping[UUID, int]:
    """Reserve copies of all books for an order; those that are short, with what is available.

    Where any is, the caller has to roll back: the others are reserved.
    """
    now = datetime.now(UTC)
    reserved = await repository.reserve(session, wanted, now)
    if short := wanted.keys() - reserved:
        return await repository.available(session, short)
    await repository.add_reservations(session, order_id, wanted, now, expires_at)
    return {}


async def sell(session: WriteSession, order_id: UUID, wanted: Mapping[UUID, int]) -> bool:
    """Take what is reserved for an order out of stock; False, and nothing, if it is no more."""
    reserved = await repository.take_reservations(session, order_id)
    if dict(reserved) != dict(wanted):
        await _release(session, reserved)
        return False
    now = datetime.now(UTC)
    taken = {book_id: -quantity for book_id, quantity in reserved.items()}
    await repository.change(session, now, on_hand=taken, reserved=taken)
    await repository.add_moves(session, Kind.SOLD, taken, now, order_id=order_id)
    return True


async def release(session: WriteSession, *order_ids: UUID) -> None:
    """Give back what is reserved for orders."""
    await _release(session, await repository.take_reservations(session, *order_ids))


async def give_back(session: WriteSession, order_id: UUID) -> Mapping[UUID, int]:
    """Put what an order took back into stock: no more than its own moves have taken."""
    copies = await repository.moved_for(session, order_id)
    if copies:
        now = datetime.now(UTC)
        await repository.change(session, now, on_hand=copies)
        await repository.add_moves(session, Kind.RETURNED, copies, now, order_id=order_id)
    return copies


async def release_expired(session: WriteSession, now: datetime) -> int:
    """Give back some of what was reserved for too long; how many reservations."""
    count, copies = await repository.take_expired(session, now, RELEASE_ROWS)
    await _release(session, copies)
    return count


async def _release(session: WriteSession, copies: Mapping[UUID, int]) -> None:
    less = {book_id: -quantity for book_id, quantity in copies.items()}
    await repository.change(session, datetime.now(UTC), reserved=less)
