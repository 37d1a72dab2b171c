"""The SQL of lists of books: filters, orders, search. On both databases the same."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
    tuple_,
)

from bookstore_api.db.orm import is_uuid
from bookstore_api.kit.cursors import Place
from bookstore_api.shop.catalog.models import (
    BOOK_CATEGORIES,
    Book,
    BookAuthor,
    BookDetails,
    Category,
)
from bookstore_api.shop.catalog.query import BookQuery, Sort

MAX_RANKED = 1000
"""Of how many found books the order by relevance is computed."""
# PostgreSQL has years before 1 and after 9999, and infinity: asyncpg makes that of the last day.
_IN_PYTHONS_YEARS = (
    "CASE WHEN books.published_on < '0001-01-01' THEN '0001-01-01' "
    "WHEN books.published_on > '9999-12-31' THEN '9999-12-31' ELSE books.published_on END"
)
_RANK_DIGITS = 1_000_000
_MATCH: ColumnElement[Any] = literal_column("book_search")
_SEARCH = table("book_search", column("rowid"))


def page_of_books(
    query: BookQuery, after: Place | None, limit: int, *, dialect: str
) -> Select[Book, Any]:
    """Select books after a place in the order, and what each is sorted by."""
    found = _Words(query.words or (), dialect)
    if query.sort is Sort.RELEVANCE:
        ranked = _filtered(select(Book.id, found.rank.label("rank")), query, found)
        ranks = ranked.limit(MAX_RANKED).subquery()
        key: ColumnElement[Any] = ranks.c.rank
        books = select(Book, key.label("place")).join(ranks, ranks.c.id == Book.id)
    else:
        key = _sort_key(query.sort, dialect)
        books = _filtered(select(Book, key.label("place")), query, found)
    order = (key, Book.id) if query.sort.subject != "created_at" else (Book.id,)
    if query.sort.descending:
        ordered = books.order_by(*(part.desc() for part in order))
    else:
        ordered = books.order_by(*order)
    if after is not None:
        here = tuple_(*order)
        places = (literal(after.key, key.type), literal(after.id, Book.id.type))
        place = tuple_(*places[-len(order) :])
        ordered = ordered.where(here < place if query.sort.descending else here > place)
    return ordered.limit(limit)


def _filtered(books: Select[Any, Any], query: BookQuery, found: "_Words") -> Select[Any, Any]:
    """Leave out deleted books and those that the query leaves out."""
    books = books.where(is_uuid(Book.id), Book.deleted_at.is_(None))
    asked = {name: value for name, value in vars(query).items() if value is not None}
    conditions = [_FILTERS[name](value) for name, value in asked.items() if name in _FILTERS]
    if query.words is not None or {"publisher", "language"} & asked.keys():
        books = books.join(BookDetails, BookDetails.book_id == Book.id)
    if query.words is not None:
        books = found.match(books)
    return books.where(*conditions)


def _books_below(category: UUID) -> Select[Any]:
    """Select the ids of the books in a category or below it."""
    tree = select(Category.id).where(Category.id == category).cte("tree", recursive=True)
    tree = tree.union(select(Category.id).where(Category.parent_id == tree.c.id))
    return select(BOOK_CATEGORIES.c.book_id).where(
        BOOK_CATEGORIES.c.category_id.in_(select(tree.c.id))
    )


def _books_of(author: UUID) -> Select[Any]:
    return select(BookAuthor.book_id).where(BookAuthor.author_id == author)


_FILTERS: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "isbn": lambda isbn: Book.isbn == isbn,
    "author": lambda author: Book.id.in_(_books_of(author)),
    "category": lambda category: Book.id.in_(_books_below(category)),
    "publisher": lambda publisher: BookDetails.publisher_id == publisher,
    "language": lambda language: BookDetails.language == language,
    "currency": lambda currency: Book.currency == currency,
    "min_price": lambda price: Book.price_minor >= price,
    "max_price": lambda price: Book.price_minor <= price,
    "published_from": lambda day: Book.published_on >= day,
    "published_to": lambda day: Book.published_on <= day,
}


def _sort_key(sort: Sort, dialect: str) -> ColumnElement[Any]:
    """Return what is sorted by: never NULL, as the databases put that at opposite ends."""
    match sort.subject:
        case "title":
            return Book.sort_title.expression
        case "price":
            return cast(Book.price_minor, BigInteger())
        case "published_on":  # as text, also where SQLite has no date there; "" where there is none
            stored: ColumnElement[Any] = literal_column("books.published_on")
            if dialect == "postgresql":
                date = func.to_char(literal_column(_IN_PYTHONS_YEARS), "YYYY-MM-DD")
                return func.coalesce(date, "", type_=String()).collate("C")
            return func.coalesce(cast(stored, String()), "", type_=String())
        case _:  # ids are in the order in which books were created
            return literal_column("0", BigInteger())


class _Words:
    """A search for all of some words, as each database does it."""

    def __init__(self, words: Sequence[str], dialect: str) -> None:
        self._postgresql = dialect == "postgresql"
        self._text = " ".join(words if self._postgresql else (f'"{word}"' for word in words))

    @property
    def _vector(self) -> ColumnElement[Any]:
        return func.to_tsvector(literal_column("'simple'"), BookDetails.document)

    @property
    def _wanted(self) -> ColumnElement[Any]:
        return func.plainto_tsquery(literal_column("'simple'"), self._text)

    def match(self, books: Select[Any, Any]) -> Select[Any, Any]:
        """Leave out books that lack a word; those are joined with their details."""
        if self._postgresql:
            return books.where(self._vector.op("@@")(self._wanted))
        joined = books.join(_SEARCH, _SEARCH.c.rowid == BookDetails.id)
        return joined.where(_MATCH.op("MATCH")(self._text))

    @property
    def rank(self) -> ColumnElement[Any]:
        """How well a book matches: the larger the better, a whole number."""
        if self._postgresql:
            score: ColumnElement[Any] = func.ts_rank(self._vector, self._wanted)
        else:
            score = -func.bm25(_MATCH)
        return cast(score * _RANK_DIGITS, BigInteger())
