"""The tables of the inventory.

A stock is what its moves add up to, and what is reserved of it is what its reservations add up to.
Both sums are kept beside them, so that one statement can compare and change them.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from bookstore_api.db.orm import Base, StoredInteger, StoredText, UtcDateTime

KIND_LENGTH = 20


class Stock(Base):
    """How many copies of a book are on hand, and how many of those are reserved."""

    __tablename__ = "stock"
    __table_args__ = (
        CheckConstraint("reserved >= 0", name="reserved"),
        CheckConstraint("on_hand >= reserved", name="on_hand"),
    )

    book_id: Mapped[UUID] = mapped_column(
        ForeignKey("books.id", ondelete="CASCADE"), primary_key=True
    )
    on_hand: Mapped[int] = mapped_column(StoredInteger())
    reserved: Mapped[int] = mapped_column(StoredInteger())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())


class StockMove(Base):
    """Copies that came or went. Rows are only added; those of a book that is gone stay."""

    __tablename__ = "stock_moves"
    __table_args__ = (Index(None, "book_id", "id"), Index(None, "order_id"))

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    book_id: Mapped[UUID] = mapped_column(Uuid())
    kind: Mapped[str] = mapped_column(StoredText(KIND_LENGTH))
    quantity: Mapped[int] = mapped_column(StoredInteger())
    order_id: Mapped[UUID | None] = mapped_column(Uuid())
    at: Mapped[datetime] = mapped_column(UtcDateTime())


class Reservation(Base):
    """Copies that are kept for an order until a time."""

    __tablename__ = "reservations"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index(None, "expires_at"),
    )

    order_id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    book_id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    quantity: Mapped[int] = mapped_column(StoredInteger())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
