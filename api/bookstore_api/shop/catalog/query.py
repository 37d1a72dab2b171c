"""Which books are asked for, and in which order."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID


class Sort(StrEnum):
    """What books are sorted by; a minus is the other way round."""

    TITLE = "title"
    TITLE_DESCENDING = "-title"
    PUBLISHED = "published_on"
    PUBLISHED_DESCENDING = "-published_on"
    PRICE = "price"
    PRICE_DESCENDING = "-price"
    CREATED = "created_at"
    CREATED_DESCENDING = "-created_at"
    RELEVANCE = "relevance"

    @property
    def descending(self) -> bool:
        """Whether the largest is first: so are the most relevant."""
        return self.startswith("-") or self is Sort.RELEVANCE

    @property
    def subject(self) -> str:
        """What it sorts by, in either direction."""
        return self.removeprefix("-")


@dataclass(frozen=True)
class BookQuery:
    """The filters of a list of books, each None for no filter, and its order.

    `words` are those of a search, as they are in documents. Prices are in minor units of
    `currency`, dates include both ends, a category is with all below it.
    """

    sort: Sort = Sort.TITLE
    isbn: str | None = None
    words: Sequence[str] | None = None
    author: UUID | None = None
    category: UUID | None = None
    publisher: UUID | None = None
    language: str | None = None
    currency: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    published_from: date | None = None
    published_to: date | None = None

    @property
    def binding(self) -> tuple[object, ...]:
        """What a cursor of the list is bound to."""
        return ("books", *astuple(self))

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but the order by title, as in lists of before there was more."""
        return self == BookQuery(isbn=self.isbn)
