"""The catalog's tables."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from bookstore_api.db.orm import (
    Base,
    Document,
    StoredDate,
    StoredInteger,
    StoredText,
    UtcDateTime,
    sort_key,
)
from bookstore_api.db.sort_text import SORT_TEXT_LENGTH

TITLE_LENGTH = 300


UNIQUE_ISBN = UniqueConstraint("isbn")


class Book(Base):
    """A book that is for sale."""

    __tablename__ = "books"
    __table_args__ = (
        UNIQUE_ISBN,
        CheckConstraint("price_minor >= 0", name="price_minor"),
        Index(None, "sort_title", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    isbn: Mapped[str] = mapped_column(StoredText(13))
    title: Mapped[str] = mapped_column(StoredText(TITLE_LENGTH))
    sort_title: Mapped[str] = mapped_column(sort_key(SORT_TEXT_LENGTH))
    authors: Mapped[list[str]] = mapped_column(Document())
    published_on: Mapped[date | None] = mapped_column(StoredDate())
    price_minor: Mapped[int] = mapped_column(StoredInteger())
    currency: Mapped[str] = mapped_column(StoredText(3))
    version: Mapped[int] = mapped_column(StoredInteger())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())
