"""What the catalog's clients send and get."""

import re
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

from bookstore_api.kit.money import Money, MoneyChange, MoneyRead, show_money
from bookstore_api.kit.parameters import Id
from bookstore_api.kit.schemas import MergePatch, Strict
from bookstore_api.kit.text import many_lines, one_line, show_texts
from bookstore_api.shop.catalog.isbn import normalize_isbn
from bookstore_api.shop.catalog.models import (
    DESCRIPTION_LENGTH,
    LANGUAGE_LENGTH,
    TITLE_LENGTH,
    Book,
)

AUTHOR_LENGTH = 300
MAX_AUTHORS = 50
MAX_CATEGORIES = 50
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


Isbn = Annotated[
    str,
    Field(max_length=32, examples=["978-0-13-235088-4"], json_schema_extra={"format": "isbn"}),
    AfterValidator(normalize_isbn),
]
Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_LENGTH),
    AfterValidator(one_line),
]
Author = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=AUTHOR_LENGTH),
    AfterValidator(one_line),
]
Authors = Annotated[list[Author], Field(min_length=1, max_length=MAX_AUTHORS)]


def read_iso_date(value: Any) -> Any:
    """Take what the description says: without this, numbers and times are dates as well."""
    if value is None or isinstance(value, date):
        return value
    msg = "Not a date like 2008-08-01"
    if not (isinstance(value, str) and ISO_DATE.fullmatch(value)):
        raise ValueError(msg)
    try:
        return date.fromisoformat(value)
    except ValueError:  # there is no such day
        raise ValueError(msg) from None


Published = Annotated[date | None, BeforeValidator(read_iso_date)]


Description = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=DESCRIPTION_LENGTH),
    AfterValidator(many_lines),
]
Language = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$",
        max_length=LANGUAGE_LENGTH,
        description="A language tag (RFC 5646)",
        examples=["en", "pt-BR"],
    ),
]
CategoryIds = Annotated[list[Id], Field(max_length=MAX_CATEGORIES)]


class BookCreate(Strict):
    """A new book."""

    isbn: Isbn
    title: Title
    authors: Authors
    published_on: Published = None
    price: Money
    description: Description | None = None
    language: Language | None = None
    publisher_id: Id | None = None
    category_ids: CategoryIds = []  # noqa: RUF012 - pydantic copies it

    def columns(self) -> dict[str, Any]:
        """Return the columns of the book and of its details."""
        same = ("isbn", "title", "authors", "published_on")
        details = ("description", "language", "publisher_id")
        columns = {name: getattr(self, name) for name in (*same, *details)}
        return columns | {"price_minor": self.price.minor, "currency": self.price.currency}


class BookUpdate(MergePatch):
    """What changes of a book (RFC 7396): fields left out stay as they are."""

    isbn: Isbn = ""
    title: Title = ""
    authors: Authors = []  # noqa: RUF012 - pydantic copies it
    published_on: Published = None
    price: MoneyChange = MoneyChange()
    description: Description | None = None
    language: Language | None = None
    publisher_id: Id | None = None
    category_ids: CategoryIds = []  # noqa: RUF012 - pydantic copies it

    def changes(self, book: Book) -> dict[str, Any]:
        """Return the columns of a book that change; raises ValueError, which is of the price."""
        sent = {name: getattr(self, name) for name in self.sent() - {"price"}}
        minor, currency = self.price.applied_to(book.price_minor, book.currency)
        return sent | {"price_minor": minor, "currency": currency}


class BookRead(BaseModel):
    """A book as it is stored, whatever the rules for new ones are today."""

    id: UUID
    isbn: str = Field(description="13 digits", examples=["9780132350884"])
    title: str
    authors: list[str]
    published_on: date | None
    price: MoneyRead
    description: str | None
    language: str | None
    publisher_id: UUID | None
    category_ids: list[UUID]
    created_at: datetime
    updated_at: datetime


def to_read(book: Book) -> BookRead:
    """Turn a book into what clients see; one that older code has written has no details."""
    details = book.details
    return BookRead(
        id=book.id,
        isbn=book.isbn,
        title=book.title,
        authors=show_texts(book.authors),
        published_on=book.published_on,
        price=show_money(book.price_minor, book.currency),
        description=details.description if details else None,
        language=details.language if details else None,
        publisher_id=details.publisher_id if details else None,
        category_ids=sorted(category.id for category in book.categories),
        created_at=book.created_at,
        updated_at=book.updated_at,
    )
