"""The outbox: what is to be mailed, written in the transaction that is the reason for it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from bookstore_api.db.orm import Base, Document, StoredInteger, StoredText, UtcDateTime


class OutboxMessage(Base):
    """A message. Its text is made when it is sent, of what the payload refers to."""

    __tablename__ = "outbox_messages"
    __table_args__ = (Index(None, "state", "due_at"),)

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    kind: Mapped[str] = mapped_column(StoredText(50))
    payload: Mapped[dict[str, Any]] = mapped_column(Document())
    state: Mapped[str] = mapped_column(StoredText(20))
    attempts: Mapped[int] = mapped_column(StoredInteger())
    error: Mapped[str | None] = mapped_column(StoredText(50))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    due_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
