"""What clients send and get of carts and orders."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from bookstore_api.kit.money import Money, MoneyRead, show_money
from bookstore_api.kit.schemas import Strict
from bookstore_api.kit.text import one_line
from bookstore_api.shop.catalog.models import Book
from bookstore_api.shop.orders.models import CartLine, Order
from bookstore_api.shop.payments.models import Payment

MAX_QUANTITY = 1000
MAX_LINES = 50

Quantity = Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY, examples=[1])]
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(one_line),
]


class CartItem(Strict):
    """How many copies of a book are wanted."""

    quantity: Quantity


class CartLineRead(BaseModel):
    """A book in a cart, at its price of now."""

    book_id: UUID
    title: str
    quantity: int
    unit_price: MoneyRead
    price: MoneyRead
    available: int = Field(description="How many copies can be bought; 0 of a deleted book")


class CartRead(BaseModel):
    """A cart."""

    lines: list[CartLineRead]
    total: MoneyRead | None = Field(
        description="What checkout takes; null of an empty cart, or of several currencies"
    )


class Address(Strict):
    """Where an order is sent."""

    name: Line = Field(examples=["Ada Lovelace"])
    street: Line = Field(examples=["12 St James's Square"])
    city: Line = Field(examples=["London"])
    postal_code: Line = Field(examples=["SW1Y 4JH"])
    country: Annotated[
        str,
        Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2", examples=["GB"]),
    ]


class Checkout(Strict):
    """An order for what is in the cart."""

    total: Money = Field(description="The total that the customer saw: another one is rejected")
    ship_to: Address


class AddressRead(BaseModel):
    """Where an order is sent, as it is stored."""

    name: str
    street: str
    city: str
    postal_code: str
    country: str


class OrderLineRead(BaseModel):
    """A book of an order, as it was when the order was placed."""

    book_id: UUID
    isbn: str
    title: str
    quantity: int
    unit_price: MoneyRead
    price: MoneyRead


class OrderRead(BaseModel):
    """An order."""

    id: UUID
    account_id: UUID
    state: str = Field(
        description="placed, paid, shipped, delivered, cancelled or refunded; there may be more",
        examples=["placed"],
    )
    reason: str | None = Field(description="Why it is cancelled: customer, staff, expired, erased")
    lines: list[OrderLineRead]
    total: MoneyRead
    ship_to: AddressRead | None = Field(description="null once the account is erased")
    pay_until: datetime = Field(description="Not paid by then, it is cancelled")
    created_at: datetime
    updated_at: datetime
    paid_at: datetime | None
    shipped_at: datetime | None
    delivered_at: datetime | None
    ended_at: datetime | None = Field(description="When it was cancelled or refunded")


class PaymentCreate(Strict):
    """How an order is paid."""

    method: Annotated[
        str,
        Field(
            pattern=r"^[!-~]{1,200}$",
            description="What the provider's form gave to the client. The test provider has "
            "`approve`, `decline` and `later`",
            examples=["approve"],
        ),
    ]


class PaymentRead(BaseModel):
    """A payment of an order."""

    id: UUID
    order_id: UUID
    state: str = Field(
        description="pending, captured, failed, refund-pending or refunded; there may be more",
        examples=["captured"],
    )
    amount: MoneyRead


class Refund(Strict):
    """What happens to the copies of an order whose money is given back."""

    restock: bool = Field(False, description="Whether shipped copies came back and are sold again")


class Nothing(Strict):
    """Nothing more is said."""


def to_cart(lines: list[CartLineRead], total: tuple[int, str] | None) -> CartRead:
    """Show a cart."""
    return CartRead(lines=lines, total=show_money(*total) if total else None)


def to_cart_line(line: CartLine, book: Book, available: int) -> CartLineRead:
    """Show a book in a cart."""
    return CartLineRead(
        book_id=book.id,
        title=book.title,
        quantity=line.quantity,
        unit_price=show_money(book.price_minor, book.currency),
        price=show_money(line.quantity * book.price_minor, book.currency),
        available=available if book.deleted_at is None else 0,
    )


def to_read(order: Order) -> OrderRead:
    """Show an order."""
    return OrderRead(
        id=order.id,
        account_id=order.account_id,
        state=order.state,
        reason=order.reason,
        lines=[
            OrderLineRead(
                book_id=line.book_id,
                isbn=line.isbn,
                title=line.title,
                quantity=line.quantity,
                unit_price=show_money(line.unit_minor, order.currency),
                price=show_money(line.quantity * line.unit_minor, order.currency),
            )
            for line in order.lines
        ],
        total=show_money(order.total_minor, order.currency),
        ship_to=AddressRead(**order.ship_to) if order.ship_to else None,
        pay_until=order.expires_at,
        created_at=order.created_at,
        updated_at=order.updated_at,
        paid_at=order.paid_at,
        shipped_at=order.shipped_at,
        delivered_at=order.delivered_at,
        ended_at=order.ended_at,
    )


def to_payment(payment: Payment) -> PaymentRead:
    """Show a payment."""
    return PaymentRead(
        id=payment.id,
        order_id=payment.order_id,
        state=payment.state,
        amount=show_money(payment.amount_minor, payment.currency),
    )
