"""The SQL of carts and orders; all of it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import selectinload

from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.shop.catalog.models import Book
from bookstore_api.shop.orders.models import CartLine, Order, OrderLine
from bookstore_api.shop.orders.states import State

_FRESH = {"populate_existing": True}
_AS_IT_IS = {"synchronize_session": False}


async def cart(session: ReadSession, account_id: UUID) -> Sequence[tuple[CartLine, Book]]:
    """Return what is in a cart, in the order that it was put there, with the books as they are."""
    query = (
        select(CartLine, Book)
        .join(Book, Book.id == CartLine.book_id)
        .where(CartLine.account_id == account_id)
        .order_by(CartLine.added_at, CartLine.book_id)
    )
    return [(line, book) for line, book in await session.execute(query)]


async def cart_size(session: ReadSession, account_id: UUID, *, without: UUID) -> int:
    """Return how many other books are in a cart."""
    query = select(func.count()).where(
        CartLine.account_id == account_id, CartLine.book_id != without
    )
    return await session.scalar(query) or 0


async def put_into_cart(
    session: WriteSession, account_id: UUID, book_id: UUID, quantity: int, now: datetime
) -> None:
    """Set how many copies of a book are in a cart; the account is locked by the caller."""
    line = await session.get(CartLine, (account_id, book_id))
    if line is None:
        line = CartLine(account_id=account_id, book_id=book_id, added_at=now)
        session.add(line)
    line.quantity = quantity
    await session.flush()


async def take_from_cart(session: WriteSession, account_id: UUID, book_id: UUID) -> bool:
    """Take a book out of a cart; whether it was in it."""
    which = (CartLine.account_id == account_id, CartLine.book_id == book_id)
    taken = await session.execute(delete(CartLine).where(*which).returning(CartLine.book_id))
    return taken.first() is not None


async def empty_cart(session: WriteSession, account_id: UUID) -> None:
    """Take everything out of a cart."""
    emptied = delete(CartLine).where(CartLine.account_id == account_id)
    await session.execute(emptied.execution_options(**_AS_IT_IS))


async def add(session: WriteSession, order: Order) -> None:
    """Add an order and its lines."""
    session.add(order)
    await session.flush()


def _whole(*where: object) -> Select[Order]:
    return select(Order).where(*where).options(selectinload(Order.lines))  # type: ignore[arg-type]


async def find(session: ReadSession, id_: UUID, *, account_id: UUID | None = None) -> Order | None:
    """Find an order, of an account if one is given, or None."""
    own = () if account_id is None else (Order.account_id == account_id,)
    return await session.scalar(_whole(Order.id == id_, *own))


async def find_locked(
    session: WriteSession, id_: UUID, *, account_id: UUID | None = None
) -> Order | None:
    """Find an order as it is now and keep others from changing it, or None."""
    own = () if account_id is None else (Order.account_id == account_id,)
    query = _whole(Order.id == id_, *own).with_for_update(of=Order)
    return await session.scalar(query.execution_options(**_FRESH))


async def page(
    session: ReadSession,
    *,
    account_id: UUID | None = None,
    state: str | None = None,
    before: UUID | None,
    limit: int,
) -> Sequence[Order]:
    """At most `limit` orders, the newest first, after a place in that order."""
    query = _whole()
    if account_id is not None:
        query = query.where(Order.account_id == account_id)
    if state is not None:
        query = query.where(Order.state == state)
    if before is not None:
        query = query.where(Order.id < before)
    return (await session.scalars(query.order_by(Order.id.desc()).limit(limit))).all()


async def of_account(session: ReadSession, account_id: UUID) -> Sequence[Order]:
    """List all orders of an account, the oldest first."""
    query = _whole(Order.account_id == account_id).order_by(Order.id)
    return (await session.scalars(query)).all()


async def lock_open(session: WriteSession, account_id: UUID) -> dict[UUID, str]:
    """Lock the orders of an account that have not ended; the state of each."""
    query = select(Order.id, Order.state).where(
        Order.account_id == account_id,
        Order.state.in_((State.PLACED, State.PAID, State.SHIPPED)),
    )
    rows = await session.execute(query.order_by(Order.id).with_for_update())
    return {row.id: row.state for row in rows}


async def lock_unpaid(session: WriteSession, now: datetime, limit: int) -> Sequence[UUID]:
    """Lock some orders that were not paid in time; what others are changing is skipped."""
    query = (
        select(Order.id)
        .where(Order.state == State.PLACED, Order.expires_at <= now)
        .order_by(Order.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(query)).all()


async def cancel(session: WriteSession, ids: Collection[UUID], reason: str, now: datetime) -> None:
    """Cancel orders that are placed, and locked by the caller."""
    cancelled = (
        update(Order)
        .where(Order.id.in_(ids), Order.state == State.PLACED)
        .values(
            state=State.CANCELLED.value,
            reason=reason,
            ended_at=now,
            updated_at=now,
            version=Order.version + 1,
        )
    )
    await session.execute(cancelled.execution_options(**_AS_IT_IS))


async def forget_addresses(session: WriteSession, account_id: UUID) -> None:
    """Remove where the orders of an account were sent."""
    forgotten = update(Order).where(Order.account_id == account_id).values(ship_to=None)
    await session.execute(forgotten.execution_options(**_AS_IT_IS))


async def was_delivered(session: ReadSession, account_id: UUID, book_id: UUID) -> bool:
    """Whether a book of an order of this account has been delivered."""
    query = (
        select(Order.id)
        .join(OrderLine, OrderLine.order_id == Order.id)
        .where(
            OrderLine.book_id == book_id,
            Order.account_id == account_id,
            Order.delivered_at.is_not(None),
        )
        .limit(1)
    )
    return await session.scalar(query) is not None
