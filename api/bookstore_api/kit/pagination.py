"""Keyset pagination: a page begins after the last row of the one before, never at an offset.

A cursor is that row's sort key, opaque to clients. It is not signed: a made-up one only starts the
list somewhere else, which anybody may do. So it is checked for its form and nothing more.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, NamedTuple, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from bookstore_api.kit.parameters import Number
from bookstore_api.kit.problems import InvalidRequestError

Item = TypeVar("Item")
Row = TypeVar("Row")

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


def page_of(
    rows: Sequence[Row],
    limit: int,
    *,
    key: Callable[[Row], SortKey],
    show: Callable[[Row], Item],
) -> Page[Item]:
    """Make a page of at most `limit` rows: one row more than that tells that there is a next."""
    shown, rest = rows[:limit], rows[limit:]
    following = encode_cursor(key(shown[-1])) if rest else None
    return Page(items=[show(row) for row in shown], next=following)


def encode_cursor(key: SortKey) -> str:
    """Make the cursor of a place in a list."""
    raw = json.dumps([key.text, key.id.hex], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(raw.encode()).rstrip(b"=").decode()


def read_after(after: After) -> SortKey | None:
    """Return the place that a page begins after, None for the first; raises InvalidRequestError."""
    return None if after is None else decode_cursor(after)


def decode_cursor(cursor: str) -> SortKey:
    """Return the place that a cursor stands for; raises InvalidRequestError if it is none."""
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
