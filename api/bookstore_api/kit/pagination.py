"""Keyset pagination: a page begins after the last row of the one before, never at an offset.

cursors.py has the cursors of today. Those of before they were signed are read here.
"""

import base64
import binascii
import json
from typing import Annotated, Generic, NamedTuple, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from bookstore_api.kit.parameters import Number
from bookstore_api.kit.problems import InvalidRequestError

Item = TypeVar("Item")

MAX_LIMIT = 100
MAX_CURSOR_LENGTH = 2000

Limit = Annotated[Number, Query(ge=1, le=MAX_LIMIT, description="How many at most")]
After = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR_LENGTH, description="The `next` of the page before; opaque"),
]


class Page(BaseModel, Generic[Item]):
    """Some of a list, and where the rest begins."""

    items: list[Item]
    next: str | None = Field(description="Pass it as `after` for the next page; null on the last")


class SortKey(NamedTuple):
    """A place in a sorted list: the text sorted by, then the id where texts are equal."""

    text: str
    id: UUID


def decode_cursor(cursor: str) -> SortKey:
    """Return the place of a cursor that is not signed; raises InvalidRequestError if it is none."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text, id_ = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(text, str) or not isinstance(id_, str) or "\0" in text:
            raise TypeError
        text.encode()  # a lone surrogate is no text to any database
        return SortKey(text, UUID(hex=id_))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise InvalidRequestError(
            "query/after", "Not a cursor that this list gave out", "invalid_cursor"
        ) from None
