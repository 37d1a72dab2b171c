"""The tables of reviews, and of what the ratings of each book add up to."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from bookstore_api.db.orm import Base, StoredInteger, StoredText, UtcDateTime

TEXT_LENGTH = 5000


class Review(Base):
    """What an account says of a book."""

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("account_id", "book_id"),
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        Index(None, "book_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    book_id: Mapped[UUID] = mapped_column(ForeignKey("books.id", ondelete="CASCADE"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    rating: Mapped[int] = mapped_column(StoredInteger())
    text: Mapped[str | None] = mapped_column(StoredText(TEXT_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())


class BookRating(Base):
    """How many ratings a book has, and their sum."""

    __tablename__ = "book_ratings"
    __table_args__ = (CheckConstraint("count >= 0", name="count"),)

    book_id: Mapped[UUID] = mapped_column(
        ForeignKey("books.id", ondelete="CASCADE"), primary_key=True
    )
    count: Mapped[int] = mapped_column(StoredInteger())
    sum: Mapped[int] = mapped_column(StoredInteger())
