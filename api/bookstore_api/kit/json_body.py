"""The body of a request as JSON (RFC 8259), read in one way only.

Python reads more: UTF-16, `NaN`, and the last of two members with one name, where another program
on the way may take the first (RFC 7493, section 2.3).
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPMethod
from types import MappingProxyType
from typing import Any, NoReturn

from fastapi import Request

from bookstore_api.kit.problems import JSON, MERGE_PATCH, InvalidRequestError

_TYPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {HTTPMethod.PATCH: frozenset({MERGE_PATCH, JSON})}
)
_TYPES_OF_OTHERS = frozenset({JSON})


def is_accepted(method: str, content_type: str) -> bool:
    """Whether a body of this type is read. A `charset` means nothing: JSON is UTF-8."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _TYPES.get(method, _TYPES_OF_OTHERS)


class JsonRequest(Request):
    """A request whose body is strictly JSON."""

    async def json(self) -> Any:
        """Read the body; raises InvalidRequestError, which FastAPI passes on."""
        return parse_json(await self.body())


def parse_json(body: bytes) -> Any:
    """Parse a body, with or without a byte order mark; raises InvalidRequestError."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequestError("body", "Not in UTF-8", "unreadable") from None
    try:
        return json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
    except json.JSONDecodeError:
        raise InvalidRequestError("body", "No valid JSON", "json_invalid") from None
    except (RecursionError, ValueError):  # a number of more digits than Python reads
        message = "Nested too deep, or with too long a number"
        raise InvalidRequestError("body", message, "unreadable") from None


def _members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        message = "Two members of an object have one name"
        raise InvalidRequestError("body", message, "duplicate")
    return members


def _no_constant(_name: str) -> NoReturn:
    raise InvalidRequestError("body", "No valid JSON: it has NaN or Infinity", "json_invalid")
