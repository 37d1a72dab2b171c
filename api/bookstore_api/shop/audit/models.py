"""The audit log: who of the staff changed what."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from bookstore_api.db.orm import Base, Document, StoredText, UtcDateTime


class AuditEntry(Base):
    """A change. `before` and `after` hold what changed, and never personal data."""

    __tablename__ = "audit_log"
    __table_args__ = (Index(None, "at", "id"), Index(None, "object_id"))

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime())
    actor: Mapped[str] = mapped_column(StoredText(20))
    actor_id: Mapped[UUID | None] = mapped_column(Uuid())
    action: Mapped[str] = mapped_column(StoredText(50))
    object_kind: Mapped[str] = mapped_column(StoredText(50))
    object_id: Mapped[UUID] = mapped_column(Uuid())
    before: Mapped[dict[str, Any] | None] = mapped_column(Document())
    after: Mapped[dict[str, Any] | None] = mapped_column(Document())
    request_id: Mapped[str | None] = mapped_column(StoredText(64))
