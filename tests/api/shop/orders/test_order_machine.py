"""Orders, stocks and money, by a state machine with several actors at once, on both databases.

The invariants: a stock is what its moves add up to, what is reserved of it is what placed orders
hold, and of each order is taken what its state says, copies and money, whatever comes twice, late,
at the same moment or in the wrong order.
"""

import asyncio
import shutil
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import func, select

from bookstore_api.auth.principal import AUTOMATION, Principal, Role
from bookstore_api.db.sessions import Database, ReadSession, WriteSession
from bookstore_api.kit.errors import ConflictError
from bookstore_api.kit.ids import new_id
from bookstore_api.kit.money import Money
from bookstore_api.shop.accounts import accounts, sessions
from bookstore_api.shop.catalog import service as catalog
from bookstore_api.shop.catalog.isbn import make_isbn
from bookstore_api.shop.inventory import service as inventory
from bookstore_api.shop.inventory.models import Reservation, Stock, StockMove
from bookstore_api.shop.inventory.schemas import MoveCreate
from bookstore_api.shop.orders import cart, checkout, paying, repository
from bookstore_api.shop.orders import service as orders
from bookstore_api.shop.orders.models import Order
from bookstore_api.shop.orders.schemas import Checkout
from bookstore_api.shop.orders.states import State, may_become
from bookstore_api.shop.payments.models import Payment
from bookstore_api.shop.payments.provider import Kind
from tests.support.examples import scaled
from tests.support.orders import ADDRESS
from tests.support.state_machines import on_database

T = TypeVar("T")
BOOKS, BUYERS, PRICE = 3, 3, 250
TAKEN = {State.PAID, State.SHIPPED, State.DELIVERED}


class Machine(RuleBasedStateMachine):
    """Buyers, a provider and the staff of a small shop."""

    database: Database
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def attempt(self, work: Any) -> bool:
        """Do something in a transaction; whether nothing was in the way."""
        try:
            await self.database.write(work)
        except ConflictError:
            return False
        return True

    @initialize()
    def open_the_shop(self) -> None:
        async def work(session: WriteSession) -> None:
            now = datetime.now(UTC)
            self.books, self.buyers = list[UUID](), list[Principal]()
            self.orders = dict[UUID, str]()
            for _ in range(BOOKS):
                fields = {"isbn": make_isbn(new_id().int % 10**9), "title": "A", "authors": ["B"]}
                book = catalog.new_book(
                    {**fields, "price_minor": PRICE, "currency": "EUR", "published_on": None}, now
                )
                await catalog.save_books(session, book)
                self.books.append(book.id)
                body = MoveCreate(kind="received", quantity=4)
                await inventory.move(session, AUTOMATION, book.id, body)
            for _ in range(BUYERS):
                email = f"{new_id().hex}@example.com"
                account = await accounts.register(session, email, "A", "no-hash", Role.CUSTOMER)
                begun, _token = await sessions.begin(session, account, None, now)
                self.buyers.append(Principal(Role.CUSTOMER, account.id, begun.id))

        self.run(self.database.write(work))

    @rule(book=st.integers(0, BOOKS - 1), copies=st.integers(-3, 5).filter(bool))
    def count_copies(self, book: int, copies: int) -> None:
        body = MoveCreate(kind="corrected", quantity=copies)
        self.run(
            self.attempt(
                lambda session: inventory.move(session, AUTOMATION, self.books[book], body)
            )
        )

    async def place(self, buyer: int, wanted: list[int]) -> UUID | None:
        who, placed = self.buyers[buyer], list[UUID]()
        total = PRICE * sum(wanted)

        async def work(session: WriteSession) -> None:
            placed.clear()
            await cart.empty(session, who)
            for book, quantity in zip(self.books, wanted, strict=True):
                if quantity:
                    await cart.put(session, who, book, quantity)
            amount = f"{total // 100}.{total % 100:02}"
            body = Checkout.model_validate(
                {"total": Money(amount=amount, currency="EUR"), "ship_to": ADDRESS}
            )
            placed.append((await checkout.place(session, who, body)).id)

        return placed[0] if await self.attempt(work) else None

    @rule(
        wanted=st.lists(
            st.lists(st.integers(0, 3), min_size=BOOKS, max_size=BOOKS), min_size=1, max_size=3
        )
    )
    def place_at_once(self, wanted: list[list[int]]) -> None:
        """Each buyer for themselves, all at once; none gets what another one has reserved."""

        async def all_at_once() -> list[UUID | None]:
            return await asyncio.gather(*(self.place(n, each) for n, each in enumerate(wanted)))

        for buyer, id_ in enumerate(self.run(all_at_once())):
            if id_ is not None:
                self.orders[id_] = str(buyer)

    def act(self, name: str, order_id: UUID) -> Coroutine[Any, Any, bool]:
        """Do one of the things that are done with an order."""
        who = self.buyers[int(self.orders[order_id])]

        async def pay(session: WriteSession, kind: Kind) -> None:
            payment = await paying.begin(session, who, order_id)
            event = paying.Event(payment.id, kind, payment.amount_minor, payment.currency)
            await paying.settle(session, event)

        async def tell_late(session: WriteSession) -> None:
            query = select(Payment).where(Payment.order_id == order_id).order_by(Payment.id)
            for payment in (await session.scalars(query)).all():
                event = paying.Event(payment.id, Kind.SUCCEEDED, payment.amount_minor, "EUR")
                await paying.receive(session, new_id().hex, event)

        works = {
            "begin": lambda session: paying.begin(session, who, order_id),
            "pay": lambda session: pay(session, Kind.SUCCEEDED),
            "fail": lambda session: pay(session, Kind.FAILED),
            "tell late": tell_late,
            "cancel": lambda session: orders.cancel_own(session, who, order_id),
            "cancel by staff": lambda session: orders.cancel(session, AUTOMATION, order_id),
            "ship": lambda session: orders.advance(session, AUTOMATION, order_id, State.SHIPPED),
            "deliver": lambda s: orders.advance(s, AUTOMATION, order_id, State.DELIVERED),
            "refund": lambda s: orders.refund(s, AUTOMATION, order_id, restock=True),
            "expire": lambda s: orders.expire(s, datetime.now(UTC) + timedelta(hours=1)),
            "lose holds": lambda s: inventory.release_expired(
                s, datetime.now(UTC) + timedelta(hours=1)
            ),
        }
        return self.attempt(works[name])

    ACTS = (
        "begin", "pay", "pay", "fail", "tell late", "cancel", "cancel by staff", "ship", "deliver",
        "refund", "expire", "lose holds",
    )  # fmt: skip

    # By number: which orders there are depends on who was faster, and what is drawn must not.
    @rule(number=st.integers(0, 20), names=st.lists(st.sampled_from(ACTS), min_size=1, max_size=3))
    def do_at_once(self, number: int, names: list[str]) -> None:
        """Several do something with one order at the same moment."""
        if not self.orders:
            return
        order_id = [*self.orders][number % len(self.orders)]

        async def all_at_once() -> None:
            await asyncio.gather(*(self.act(name, order_id) for name in names))

        self.run(all_at_once())

    @rule(number=st.integers(0, 20))
    def walk_on(self, number: int) -> None:
        """The way of most orders, a step."""
        if not self.orders:
            return
        order_id = [*self.orders][number % len(self.orders)]
        state = self.run(self.database.read(lambda s: orders.read(s, order_id))).state
        step = {State.PLACED: "pay", State.PAID: "ship", State.SHIPPED: "deliver"}
        if state in step:
            self.run(self.act(step[State(state)], order_id))

    @invariant()
    def the_books_are_right(self) -> None:
        self.run(self.database.read(self.check))

    async def check(self, session: ReadSession) -> None:
        for book in self.books:
            stock = await session.scalar(select(Stock).where(Stock.book_id == book))
            moved = select(func.sum(StockMove.quantity)).where(StockMove.book_id == book)
            held = select(func.sum(Reservation.quantity)).where(Reservation.book_id == book)
            on_hand, reserved = (stock.on_hand, stock.reserved) if stock else (0, 0)
            assert on_hand == int(await session.scalar(moved) or 0)
            assert reserved == int(await session.scalar(held) or 0)
            assert 0 <= reserved <= on_hand
        for order_id in self.orders:
            await self.check_order(session, order_id)

    async def check_order(self, session: ReadSession, order_id: UUID) -> None:
        order = await repository.find(session, order_id)
        assert order is not None
        moved = select(func.sum(StockMove.quantity)).where(StockMove.order_id == order_id)
        held = select(func.sum(Reservation.quantity)).where(Reservation.order_id == order_id)
        paid = select(func.sum(Payment.amount_minor)).where(
            Payment.order_id == order_id, Payment.state == "captured"
        )
        copies = sum(line.quantity for line in order.lines)
        taken, kept = -int(await session.scalar(moved) or 0), int(await session.scalar(held) or 0)
        money = int(await session.scalar(paid) or 0)
        assert order.total_minor == sum(line.quantity * line.unit_minor for line in order.lines)
        assert money == (order.total_minor if order.state in TAKEN else 0)
        assert taken == (copies if order.state in TAKEN else 0)
        assert kept in ({copies, 0} if order.state == State.PLACED else {0})
        self.check_times(order)

    def check_times(self, order: Order) -> None:
        """The times say by which way the order came to its state."""
        assert (order.ended_at is not None) == (order.state in {State.CANCELLED, State.REFUNDED})
        assert order.state != State.CANCELLED or order.paid_at is None
        steps = [order.paid_at, order.shipped_at, order.delivered_at]
        done = [step for step in steps if step is not None]
        assert steps[: len(done)] == done == sorted(done)
        assert order.state not in TAKEN or may_become(order.state, State.REFUNDED)


EXAMPLES = settings(max_examples=scaled(10), stateful_step_count=20, deadline=None)


@pytest.mark.invariant
def test_the_books_are_always_right_on_sqlite(migrated_file: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_file, tmp_path / "books.db")
    with on_database(Machine, f"sqlite:///{tmp_path / 'books.db'}") as machine:
        stateful.run_state_machine_as_test(machine, settings=EXAMPLES)


@pytest.mark.invariant
def test_the_books_are_always_right_on_postgresql(migrated_postgres: str) -> None:
    with on_database(Machine, migrated_postgres) as machine:
        stateful.run_state_machine_as_test(machine, settings=EXAMPLES)
