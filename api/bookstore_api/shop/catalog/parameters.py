"""The query parameters of a list of books."""

import inspect
from datetime import date
from typing import Annotated

from fastapi import Depends, Query
from pydantic import BeforeValidator

from bookstore_api.db.book_document import to_words
from bookstore_api.kit.money import Amount, Currency, to_minor_units
from bookstore_api.kit.parameters import Id
from bookstore_api.kit.problems import VALUE_ERROR, InvalidRequestError
from bookstore_api.shop.catalog.query import BookQuery, Sort
from bookstore_api.shop.catalog.schemas import Isbn, Language, read_iso_date

MAX_SEARCH = 200
Day = Annotated[date, BeforeValidator(read_iso_date)]
Search = Annotated[
    str,
    Query(
        max_length=MAX_SEARCH,
        description="Only books that have all of these words in title, authors or description",
    ),
]


class _Wanted:
    """What is asked for in a query, one dependency for all of it."""

    def __init__(  # noqa: PLR0913 - a parameter each
        self,
        *,
        q: Search | None = None,
        sort: Annotated[
            Sort | None,
            Query(description="The order; `relevance`, of 1,000 found books, is the default of q"),
        ] = None,
        isbn: Annotated[Isbn | None, Query(description="Only the book with this ISBN")] = None,
        author: Annotated[Id | None, Query(description="Only books of this author")] = None,
        category: Annotated[
            Id | None, Query(description="Only books in this category, or one below it")
        ] = None,
        publisher: Annotated[Id | None, Query(description="Only books of this publisher")] = None,
        language: Annotated[Language | None, Query()] = None,
        currency: Annotated[
            Currency | None, Query(description="Only prices in it; filters of prices need it")
        ] = None,
        min_price: Annotated[Amount | None, Query()] = None,
        max_price: Annotated[Amount | None, Query()] = None,
        published_from: Annotated[Day | None, Query(description="This day or later")] = None,
        published_to: Annotated[Day | None, Query(description="This day or earlier")] = None,
    ) -> None:
        self.query = BookQuery(
            sort=_sort(sort, q, currency),
            isbn=isbn,
            words=None if q is None else tuple(to_words(q)),
            author=author,
            category=category,
            publisher=publisher,
            language=language,
            currency=currency,
            min_price=_minor("min_price", min_price, currency),
            max_price=_minor("max_price", max_price, currency),
            published_from=published_from,
            published_to=published_to,
        )


def _sort(sort: Sort | None, q: str | None, currency: str | None) -> Sort:
    if sort is None:
        return Sort.TITLE if q is None else Sort.RELEVANCE
    if sort is Sort.RELEVANCE and q is None:
        raise InvalidRequestError("query/sort", "Nothing is relevant without q", VALUE_ERROR)
    if sort.subject == "price" and currency is None:
        raise InvalidRequestError("query/sort", "Prices compare in one currency", VALUE_ERROR)
    return sort


def _minor(name: str, amount: str | None, currency: str | None) -> int | None:
    if amount is None:
        return None
    if currency is None:
        raise InvalidRequestError(f"query/{name}", "Send the currency too", VALUE_ERROR)
    try:
        return to_minor_units(amount, currency)
    except ValueError as error:
        raise InvalidRequestError(f"query/{name}", str(error), VALUE_ERROR) from None


async def _wanted(wanted: Annotated[_Wanted, Depends()]) -> BookQuery:
    return wanted.query


Wanted = Annotated[BookQuery, Depends(_wanted)]
WANTED = tuple(inspect.signature(_Wanted).parameters)
"""Their names."""
