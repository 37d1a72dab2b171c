"""The table of answers that were given to requests with an `Idempotency-Key`."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from bookstore_api.db.orm import Base, Document, StoredInteger, StoredText, UtcDateTime

SCOPE_LENGTH = 40
ROUTE_LENGTH = 100
DIGEST_LENGTH = 64


class IdempotencyKey(Base):
    """The answer to a request, by who sent it, where, and a digest of their key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "expires_at"),)

    scope: Mapped[str] = mapped_column(StoredText(SCOPE_LENGTH), primary_key=True)
    route: Mapped[str] = mapped_column(StoredText(ROUTE_LENGTH), primary_key=True)
    key_hash: Mapped[str] = mapped_column(StoredText(DIGEST_LENGTH), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(StoredText(DIGEST_LENGTH))
    status: Mapped[int] = mapped_column(StoredInteger())
    headers: Mapped[dict[str, str]] = mapped_column(Document())
    body: Mapped[Any] = mapped_column(Document())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
