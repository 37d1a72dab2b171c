"""What can be done with orders. Each function runs in its caller's transaction.

A change of state is made on the locked order, and one to the state that it has already changes
nothing: whoever has no answer asks again.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bookstore_api.auth.principal import Principal
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.kit.cursors import CursorFactory, Place
from bookstore_api.kit.errors import ConflictError, NotFoundError
from bookstore_api.kit.etags import next_version
from bookstore_api.kit.pagination import Page
from bookstore_api.shop.accounts.accounts import live_account
from bookstore_api.shop.audit.service import Change, record
from bookstore_api.shop.inventory import service as inventory
from bookstore_api.shop.orders import repository
from bookstore_api.shop.orders.models import Order
from bookstore_api.shop.orders.schemas import OrderRead, to_read
from bookstore_api.shop.orders.states import State, may_become
from bookstore_api.shop.payments import repository as payment_rows
from bookstore_api.shop.payments import service as payments

EXPIRE_ROWS = 100


async def list_own(
    session: ReadSession,
    caller: Principal,
    cursors: CursorFactory,
    *,
    after: str | None,
    limit: int,
) -> Page[OrderRead]:
    """List the caller's orders, the newest first."""
    account = await live_account(session, caller)
    of_list = await cursors.of(session, "orders", account.id)
    before = None if after is None else of_list.decode(after).id
    rows = await repository.page(session, account_id=account.id, before=before, limit=limit + 1)
    return of_list.page_of(rows, limit, place=_place, show=to_read)


async def list_all(
    session: ReadSession,
    state: State | None,
    cursors: CursorFactory,
    *,
    after: str | None,
    limit: int,
) -> Page[OrderRead]:
    """List the orders of everybody, the newest first."""
    of_list = await cursors.of(session, "all-orders", state)
    before = None if after is None else of_list.decode(after).id
    rows = await repository.page(session, state=state, before=before, limit=limit + 1)
    return of_list.page_of(rows, limit, place=_place, show=to_read)


async def read_own(session: ReadSession, caller: Principal, id_: UUID) -> Order:
    """Read an order of the caller; raises NotFoundError, also for one of somebody else."""
    account = await live_account(session, caller)
    return found(await repository.find(session, id_, account_id=account.id))


async def read(session: ReadSession, id_: UUID) -> Order:
    """Read an order; raises NotFoundError."""
    return found(await repository.find(session, id_))


async def cancel_own(session: WriteSession, caller: Principal, id_: UUID) -> Order:
    """Cancel an order of the caller that is not shipped; raises NotFoundError, ConflictError."""
    account = await live_account(session, caller)
    order = found(await repository.find_locked(session, id_, account_id=account.id))
    await _cancel(session, order, "customer")
    return order


async def cancel(session: WriteSession, caller: Principal, id_: UUID) -> Order:
    """Cancel an order that is not shipped; raises NotFoundError, ConflictError."""
    order = found(await repository.find_locked(session, id_))
    before = order.state
    await _cancel(session, order, "staff")
    await _note(session, caller, order, before)
    return order


async def advance(session: WriteSession, caller: Principal, id_: UUID, state: State) -> Order:
    """Record that an order is shipped or delivered; raises NotFoundError, ConflictError."""
    order = found(await repository.find_locked(session, id_))
    before = order.state
    if before != state:
        require(order, state)
        stamp = "shipped_at" if state is State.SHIPPED else "delivered_at"
        await change(session, order, state, **{stamp: datetime.now(UTC)})
    await _note(session, caller, order, before)
    return order


async def refund(session: WriteSession, caller: Principal, id_: UUID, *, restock: bool) -> Order:
    """Give the money of an order back; raises NotFoundError, ConflictError."""
    order = found(await repository.find_locked(session, id_))
    before = order.state
    if before != State.REFUNDED:
        require(order, State.REFUNDED)
        await give_back(session, order, restock=restock)
    await _note(session, caller, order, before)
    return order


async def give_back(session: WriteSession, order: Order, *, restock: bool) -> None:
    """Give the money of a locked order back, and its copies: what was never sent is in stock."""
    payment = await payment_rows.find_open(session, order.id)
    if payment is not None:
        await payments.give_back(session, payment)
    if restock or order.state == State.PAID:
        await inventory.give_back(session, order.id)
    await change(session, order, State.REFUNDED, ended_at=datetime.now(UTC))


async def expire(session: WriteSession, now: datetime) -> int:
    """Cancel some orders that were not paid in time; how many."""
    ids = await repository.lock_unpaid(session, now, EXPIRE_ROWS)
    if ids:
        await repository.cancel(session, ids, "expired", now)
        await inventory.release(session, *ids)
    return len(ids)


async def export(session: ReadSession, account_id: UUID) -> Mapping[str, Any]:
    """Return what is stored of an account's cart and orders."""
    orders = await repository.of_account(session, account_id)
    cart = await repository.cart(session, account_id)
    return {
        "cart": [{"title": book.title, "quantity": line.quantity} for line, book in cart],
        "orders": [to_read(order).model_dump(mode="json") for order in orders],
    }


async def erase(session: WriteSession, account_id: UUID) -> None:
    """Remove what says who ordered; raises ConflictError while a paid order is on its way."""
    states = await repository.lock_open(session, account_id)
    if set(states.values()) & {State.PAID, State.SHIPPED}:
        msg = "An order is paid and not delivered: cancel it, or wait until it is delivered."
        raise ConflictError(msg)
    await repository.cancel(session, states.keys(), "erased", datetime.now(UTC))
    await inventory.release(session, *states)
    await repository.empty_cart(session, account_id)
    await repository.forget_addresses(session, account_id)


async def change(session: WriteSession, order: Order, state: State, **fields: Any) -> None:
    """Change the state of a locked order."""
    order.state, order.updated_at = state.value, datetime.now(UTC)
    order.version = next_version(order.version)
    for name, value in fields.items():
        setattr(order, name, value)
    await session.flush()


def require(order: Order, state: State) -> None:
    """Raise ConflictError where an order can't go to a state."""
    if not may_become(order.state, state):
        msg = f"An order that is {order.state} can't become {state}."
        raise ConflictError(msg)


def found(order: Order | None) -> Order:
    """Return an order; raises NotFoundError where there is none."""
    if order is None:
        msg = "There is no order with this id."
        raise NotFoundError(msg)
    return order


async def _cancel(session: WriteSession, order: Order, reason: str) -> None:
    if order.state in {State.CANCELLED, State.REFUNDED}:
        return
    if order.state == State.PAID:
        order.reason = reason
        await give_back(session, order, restock=True)
        return
    require(order, State.CANCELLED)
    await inventory.release(session, order.id)
    await change(session, order, State.CANCELLED, reason=reason, ended_at=datetime.now(UTC))


async def _note(session: WriteSession, caller: Principal, order: Order, before: str) -> None:
    """Record in the audit log what the staff changed."""
    if order.state != before:
        states = ({"state": before}, {"state": order.state})
        await record(session, caller, Change("order.change", "order", order.id, *states))


def _place(order: Order) -> Place:
    return Place("", order.id)
