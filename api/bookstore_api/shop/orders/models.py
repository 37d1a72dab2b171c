"""The tables of carts and orders.

An order is a document: it keeps what its books were called and cost when it was placed.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bookstore_api.db.orm import Base, Document, StoredInteger, StoredText, UtcDateTime
from bookstore_api.shop.catalog.models import TITLE_LENGTH

STATE_LENGTH = 20


class CartLine(Base):
    """So many copies of a book in the cart of an account."""

    __tablename__ = "cart_lines"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"), Index(None, "book_id"))

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    book_id: Mapped[UUID] = mapped_column(
        ForeignKey("books.id", ondelete="CASCADE"), primary_key=True
    )
    quantity: Mapped[int] = mapped_column(StoredInteger())
    added_at: Mapped[datetime] = mapped_column(UtcDateTime())


class Order(Base):
    """What an account has ordered. `ship_to` is removed when the account is erased."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("total_minor >= 0", name="total_minor"),
        Index(None, "account_id", "id"),
        Index(None, "state", "expires_at"),
        Index(None, "paid_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    state: Mapped[str] = mapped_column(StoredText(STATE_LENGTH))
    reason: Mapped[str | None] = mapped_column(StoredText(STATE_LENGTH))
    currency: Mapped[str] = mapped_column(StoredText(3))
    total_minor: Mapped[int] = mapped_column(StoredInteger())
    ship_to: Mapped[dict[str, Any] | None] = mapped_column(Document())
    version: Mapped[int] = mapped_column(StoredInteger())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    paid_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    shipped_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    lines: Mapped[list["OrderLine"]] = relationship(
        lazy="raise", order_by="OrderLine.position", cascade="save-update, merge"
    )


class OrderLine(Base):
    """So many copies of a book in an order, as it was when the order was placed."""

    __tablename__ = "order_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index(None, "book_id", "order_id"),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger(), primary_key=True)
    book_id: Mapped[UUID] = mapped_column(Uuid())
    isbn: Mapped[str] = mapped_column(StoredText(13))
    title: Mapped[str] = mapped_column(StoredText(TITLE_LENGTH))
    quantity: Mapped[int] = mapped_column(StoredInteger())
    unit_minor: Mapped[int] = mapped_column(StoredInteger())
