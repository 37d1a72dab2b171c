"""Proof that this code works on the database's schema: its own reads and writes, rolled back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from bookstore_api.auth.principal import Role
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.accounts import accounts
from bookstore_api.shop.orders import repository
from bookstore_api.shop.orders.models import Order, OrderLine
from bookstore_api.shop.orders.states import State

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def self_test(session: WriteSession) -> None:
    """Place an order, find, list and cancel it; whatever the database says is raised."""
    email = f"{new_id().hex}@self-test.example"
    account = await accounts.register(session, email, "Nobody", "no-hash", Role.CUSTOMER)
    order = _order(account.id)
    await repository.add(session, order)
    await repository.cart(session, account.id)
    await repository.cart_size(session, account.id, without=order.id)
    await repository.take_from_cart(session, account.id, order.id)
    await repository.empty_cart(session, account.id)
    await repository.find_locked(session, order.id, account_id=account.id)
    await repository.page(session, account_id=account.id, state="", before=order.id, limit=1)
    await repository.lock_open(session, account.id)
    await repository.lock_unpaid(session, LONG_AGO, 1)
    await repository.was_delivered(session, account.id, order.id)
    await repository.cancel(session, [order.id], "self-test", LONG_AGO)
    await repository.forget_addresses(session, account.id)


def _order(account_id: UUID) -> Order:
    id_ = new_id()
    line = OrderLine(
        order_id=id_, position=0, book_id=id_, isbn="", title="", quantity=1, unit_minor=1
    )
    return Order(
        id=id_,
        account_id=account_id,
        state=State.PLACED.value,
        currency="EUR",
        total_minor=1,
        ship_to={},
        version=1,
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
        expires_at=LONG_AGO + timedelta(days=1),
        lines=[line],
    )
