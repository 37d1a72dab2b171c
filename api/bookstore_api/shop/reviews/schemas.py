"""What clients send and get of reviews."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from bookstore_api.kit.schemas import Strict
from bookstore_api.kit.text import many_lines
from bookstore_api.shop.reviews.models import TEXT_LENGTH, Review


class ReviewWrite(Strict):
    """What somebody says of a book."""

    rating: Annotated[int, Field(strict=True, ge=1, le=5, examples=[4])]
    text: (
        Annotated[
            str,
            StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXT_LENGTH),
            AfterValidator(many_lines),
        ]
        | None
    ) = None


class ReviewRead(BaseModel):
    """A review."""

    id: UUID
    book_id: UUID
    author: str | None = Field(description="The name of whoever wrote it")
    rating: int
    text: str | None
    created_at: datetime
    updated_at: datetime


class RatingRead(BaseModel):
    """What the ratings of a book add up to."""

    book_id: UUID
    count: int
    average: str | None = Field(description="Two decimals; null without ratings", examples=["4.33"])


def to_read(review: Review, author: str | None) -> ReviewRead:
    """Show a review."""
    return ReviewRead(
        id=review.id,
        book_id=review.book_id,
        author=author,
        rating=review.rating,
        text=review.text,
        created_at=review.created_at,
        updated_at=review.updated_at,
    )


def to_rating(book_id: UUID, count: int, points: int) -> RatingRead:
    """Show what ratings add up to, rounded half up."""
    hundredths = (200 * points + count) // (2 * count) if count else 0
    average = f"{hundredths // 100}.{hundredths % 100:02}" if count else None
    return RatingRead(book_id=book_id, count=count, average=average)
