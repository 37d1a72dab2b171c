"""The inventory's SQL; all of it.

Each change of stocks is one statement that also compares, whatever the database's isolation. Those
of several books are locked in the order of their ids first, so that nobody waits in a circle.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.db.upsert import insert_if_absent
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.inventory.models import Reservation, Stock, StockMove

_AVAILABLE = Stock.on_hand - Stock.reserved
_FRESH = {"populate_existing": True}
_AS_IT_IS = {"synchronize_session": False}


async def find(session: ReadSession, book_id: UUID) -> Stock | None:
    """Find the stock of a book, as it is now, or None."""
    query = select(Stock).where(Stock.book_id == book_id)
    return await session.scalar(query.execution_options(**_FRESH))


async def available(session: ReadSession, book_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return how many copies can be reserved of each book; 0 where there is no stock."""
    ids = list(book_ids)
    query = select(Stock.book_id, _AVAILABLE).where(Stock.book_id.in_(ids))
    found: dict[UUID, int] = {row[0]: row[1] for row in await session.execute(query)}
    return {id_: found.get(id_, 0) for id_ in ids}


async def ensure_stock(session: WriteSession, book_id: UUID, now: datetime) -> None:
    """Add the row of a book's stock, if there is none."""
    row = {"book_id": book_id, "on_hand": 0, "reserved": 0, "updated_at": now}
    await insert_if_absent(session, Stock, [row])


async def add_to_stock(
    session: WriteSession, book_id: UUID, quantity: int, largest: int, now: datetime
) -> bool:
    """Change what is on hand; whether that was possible: nothing that is reserved can go."""
    amount = literal(quantity, BigInteger())
    changed = (
        update(Stock)
        .where(
            Stock.book_id == book_id,
            Stock.on_hand + amount >= Stock.reserved,
            Stock.on_hand + amount <= largest,
        )
        .values(on_hand=Stock.on_hand + amount, updated_at=now)
        .returning(Stock.book_id)
    )
    return await session.scalar(changed.execution_options(**_AS_IT_IS)) is not None


async def add_moves(
    session: WriteSession,
    kind: str,
    quantities: Mapping[UUID, int],
    now: datetime,
    *,
    order_id: UUID | None = None,
) -> Sequence[UUID]:
    """Record moves of one kind, a book each; their ids."""
    rows = [
        {
            "id": new_id(),
            "book_id": book_id,
            "kind": kind,
            "quantity": quantity,
            "order_id": order_id,
            "at": now,
        }
        for book_id, quantity in quantities.items()
    ]
    await session.execute(insert(StockMove), rows)
    return [row["id"] for row in rows if isinstance(row["id"], UUID)]


async def moves(
    session: ReadSession, book_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[StockMove]:
    """At most `limit` moves of a book, the newest first, after a place in that order."""
    query = select(StockMove).where(StockMove.book_id == book_id)
    if before is not None:
        query = query.where(StockMove.id < before)
    return (await session.scalars(query.order_by(StockMove.id.desc()).limit(limit))).all()


async def moved_for(session: WriteSession, order_id: UUID) -> dict[UUID, int]:
    """Return how many copies of each book an order has taken and not given back."""
    query = (
        select(StockMove.book_id, func.sum(StockMove.quantity))
        .where(StockMove.order_id == order_id)
        .group_by(StockMove.book_id)
    )
    sums: dict[UUID, int] = {row[0]: -int(row[1]) for row in await session.execute(query)}
    return {book_id: taken for book_id, taken in sums.items() if taken > 0}


async def reserve(session: WriteSession, wanted: Mapping[UUID, int], now: datetime) -> set[UUID]:
    """Reserve copies of each book that has so many; which those are."""
    await _lock(session, wanted)
    amount = _amount(wanted)
    changed = (
        update(Stock)
        .where(Stock.book_id.in_(list(wanted)), amount <= _AVAILABLE)
        .values(reserved=Stock.reserved + amount, updated_at=now)
        .returning(Stock.book_id)
    )
    return set(await session.scalars(changed.execution_options(**_AS_IT_IS)))


async def add_reservations(
    session: WriteSession,
    order_id: UUID,
    quantities: Mapping[UUID, int],
    now: datetime,
    expires_at: datetime,
) -> None:
    """Record for which order copies are reserved."""
    rows = [
        {
            "order_id": order_id,
            "book_id": book_id,
            "quantity": quantity,
            "expires_at": expires_at,
            "created_at": now,
        }
        for book_id, quantity in quantities.items()
    ]
    await session.execute(insert(Reservation), rows)


async def take_reservations(session: WriteSession, *order_ids: UUID) -> Counter[UUID]:
    """Delete the reservations of orders; how many copies of each book they were for."""
    taken = delete(Reservation).where(Reservation.order_id.in_(order_ids))
    rows = await session.execute(taken.returning(Reservation.book_id, Reservation.quantity))
    copies = Counter[UUID]()
    for book_id, quantity in rows:
        copies[book_id] += quantity
    return copies


async def take_expired(
    session: WriteSession, now: datetime, limit: int
) -> tuple[int, Counter[UUID]]:
    """Delete some reservations that have expired: how many, and copies of each book.

    What others are taking is skipped.
    """
    expired = (
        select(Reservation.order_id, Reservation.book_id, Reservation.quantity)
        .where(Reservation.expires_at <= now)
        .order_by(Reservation.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = (await session.execute(expired)).all()
    copies = Counter[UUID]()
    for _, book_id, quantity in rows:
        copies[book_id] += quantity
    if rows:
        keys = tuple_(Reservation.order_id, Reservation.book_id)
        which = keys.in_([(order_id, book_id) for order_id, book_id, _ in rows])
        await session.execute(delete(Reservation).where(which).execution_options(**_AS_IT_IS))
    return len(rows), copies


async def change(
    session: WriteSession,
    now: datetime,
    *,
    on_hand: Mapping[UUID, int] | None = None,
    reserved: Mapping[UUID, int] | None = None,
) -> None:
    """Add to what is on hand and what is reserved of books; of a book that is gone, nothing is."""
    books = {*(on_hand or ()), *(reserved or ())}
    if not books:
        return
    await _lock(session, books)
    changed = (
        update(Stock)
        .where(Stock.book_id.in_(list(books)))
        .values(
            on_hand=Stock.on_hand + _amount(on_hand or {}),
            reserved=Stock.reserved + _amount(reserved or {}),
            updated_at=now,
        )
    )
    await session.execute(changed.execution_options(**_AS_IT_IS))


async def _lock(session: WriteSession, book_ids: Iterable[UUID]) -> None:
    ids = sorted(book_ids)
    if len(ids) > 1:
        query = select(Stock.book_id).where(Stock.book_id.in_(ids)).order_by(Stock.book_id)
        await session.execute(query.with_for_update())


def _amount(quantities: Mapping[UUID, int]) -> ColumnElement[int]:
    """Return the expression of each row's own quantity."""
    cases = [
        (Stock.book_id == book_id, literal(quantity, BigInteger()))
        for book_id, quantity in quantities.items()
    ]
    return case(*cases, else_=0) if cases else literal(0, BigInteger())
