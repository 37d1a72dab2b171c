"""The catalog's tables."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

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
NAME_LENGTH = 300
DESCRIPTION_LENGTH = 10_000
LANGUAGE_LENGTH = 35  # RFC 5646, 4.4.1

_LIVE = text("deleted_at IS NULL")
UNIQUE_ISBN = Index(
    "uq_books_live_isbn", "isbn", unique=True, postgresql_where=_LIVE, sqlite_where=_LIVE
)
ISBN_OF_OLDER_CODE = "uq_books_isbn"
"""The constraint on all books, deleted or not, which a contract revision drops."""


BOOK_CATEGORIES = Table(
    "book_categories",
    Base.metadata,
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column("category_id", ForeignKey("categories.id"), primary_key=True, index=True),
)


class Book(Base):
    """A book that is for sale, or was: `deleted_at` is when it was taken out of the catalog."""

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
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    details: Mapped["BookDetails | None"] = relationship(
        lazy="raise", cascade="save-update, merge", passive_deletes="all"
    )
    categories: Mapped[list["Category"]] = relationship(
        lazy="raise", secondary=BOOK_CATEGORIES, passive_deletes=True
    )


class BookDetails(Base):
    """The rest of a book: a row that code of before this table does not write."""

    __tablename__ = "book_details"
    __table_args__ = (UniqueConstraint("book_id"),)

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), Identity(), primary_key=True
    )
    book_id: Mapped[UUID] = mapped_column(ForeignKey("books.id", ondelete="CASCADE"))
    publisher_id: Mapped[UUID | None] = mapped_column(ForeignKey("publishers.id"), index=True)
    description: Mapped[str | None] = mapped_column(StoredText(DESCRIPTION_LENGTH))
    language: Mapped[str | None] = mapped_column(StoredText(LANGUAGE_LENGTH))
    document: Mapped[str] = mapped_column(Text())


class Named(Base):
    """What authors, publishers and categories share."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH), unique=True)
    sort_name: Mapped[str] = mapped_column(sort_key(SORT_TEXT_LENGTH))
    version: Mapped[int] = mapped_column(BigInteger())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())


class Author(Named):
    """Somebody whom books name as their author."""

    __tablename__ = "authors"
    __table_args__ = (Index(None, "sort_name", "id"),)


class Publisher(Named):
    """A publisher of books."""

    __tablename__ = "publishers"
    __table_args__ = (Index(None, "sort_name", "id"),)


class Category(Named):
    """A category; those below another one are part of it."""

    __tablename__ = "categories"
    __table_args__ = (Index(None, "sort_name", "id"),)

    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("categories.id"), index=True)


class BookAuthor(Base):
    """That an author is the one at a place in a book's list of names."""

    __tablename__ = "book_authors"

    book_id: Mapped[UUID] = mapped_column(
        ForeignKey("books.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(BigInteger(), primary_key=True)
    author_id: Mapped[UUID] = mapped_column(ForeignKey("authors.id"), index=True)


TABLES = (Book, BookDetails, Author, Publisher, Category, BookAuthor)
