"""The tables of payments. Nothing in them says how somebody pays."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from bookstore_api.db.orm import Base, StoredInteger, StoredText, UtcDateTime

STATE_LENGTH = 20
EVENT_ID_LENGTH = 255

_OPEN = text("state IN ('pending', 'captured')")


class Payment(Base):
    """An attempt to pay an order; of each order, one at most is open or has succeeded."""

    __tablename__ = "payments"
    __table_args__ = (
        Index(
            "uq_payments_open_order_id",
            "order_id",
            unique=True,
            postgresql_where=_OPEN,
            sqlite_where=_OPEN,
        ),
        Index(None, "order_id"),
        Index(None, "state", "due_at"),
        CheckConstraint("amount_minor >= 0", name="amount_minor"),
    )

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(Uuid())
    state: Mapped[str] = mapped_column(StoredText(STATE_LENGTH))
    amount_minor: Mapped[int] = mapped_column(StoredInteger())
    currency: Mapped[str] = mapped_column(StoredText(3))
    attempts: Mapped[int] = mapped_column(StoredInteger())
    due_at: Mapped[datetime] = mapped_column(UtcDateTime())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())


class PaymentEvent(Base):
    """Something that the provider has reported, by its own id: each counts once."""

    __tablename__ = "payment_events"
    __table_args__ = (Index(None, "received_at"),)

    id: Mapped[str] = mapped_column(StoredText(EVENT_ID_LENGTH), primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(Uuid())
    kind: Mapped[str] = mapped_column(StoredText(STATE_LENGTH))
    outcome: Mapped[str] = mapped_column(StoredText(STATE_LENGTH))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime())
