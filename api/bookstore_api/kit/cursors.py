"""Cursors of lists: opaque to clients, signed, and good for the list that gave them out only.

A cursor holds the place of the last row shown: what the list is sorted by, and its id. The list's
filters and its order are under the signature, so that a cursor never continues another list.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeVar
from uuid import UUID

from fastapi import Depends, Request

from bookstore_api.db.cursor_keys import CursorKeys
from bookstore_api.db.sessions import ReadSession
from bookstore_api.kit.pagination import Page, decode_cursor
from bookstore_api.kit.problems import InvalidRequestError

Item = TypeVar("Item")
Row = TypeVar("Row")
_SIGNATURE_BYTES = 16
_SEPARATOR = "."
_WRONG = InvalidRequestError(
    "query/after", "Not a cursor that this list gave out", "invalid_cursor"
)


class Place(NamedTuple):
    """A place in a sorted list: what it is sorted by, then the id where that is equal."""

    key: str | int
    id: UUID


@dataclass(frozen=True)
class Cursors:
    """The cursors of one list, whose filters and order are `binding`.

    `accepts_unsigned` is for a list that gave out cursors before they were signed: who is on the
    way through it during a release goes on with them.
    """

    keys: Sequence[bytes]
    binding: Sequence[object]
    accepts_unsigned: bool = False

    def encode(self, place: Place) -> str:
        """Make the cursor of a place."""
        raw = json.dumps([place.key, place.id.hex], separators=(",", ":"), ensure_ascii=False)
        payload = raw.encode()
        return _to_base64(payload) + _SEPARATOR + _to_base64(self._sign(self.keys[0], payload))

    def decode(self, cursor: str) -> Place:
        """Return the place of a cursor; raises InvalidRequestError where it is none of this list.

        Keys other than the newest one are those before a rotation.
        """
        if _SEPARATOR not in cursor and self.accepts_unsigned:
            return Place(*decode_cursor(cursor))
        head, _, tail = cursor.partition(_SEPARATOR)
        payload, signature = _from_base64(head), _from_base64(tail)
        if not any(hmac.compare_digest(self._sign(key, payload), signature) for key in self.keys):
            raise _WRONG
        key, id_ = json.loads(payload)
        return Place(key, UUID(hex=id_))

    def page_of(
        self,
        rows: Sequence[Row],
        limit: int,
        *,
        place: Callable[[Row], Place],
        show: Callable[[Row], Item],
    ) -> Page[Item]:
        """Make a page of at most `limit` rows: one more than that tells that there is a next."""
        shown, rest = rows[:limit], rows[limit:]
        following = self.encode(place(shown[-1])) if rest else None
        return Page(items=[show(row) for row in shown], next=following)

    def _sign(self, key: bytes, payload: bytes) -> bytes:
        bound = json.dumps(self.binding, default=str).encode()
        digest = hmac.digest(key, bound + b"\n" + payload, hashlib.sha256)
        return digest[:_SIGNATURE_BYTES]


class CursorFactory:
    """Makes the cursors of lists, by the keys that all processes share."""

    def __init__(self, keys: CursorKeys) -> None:
        self._keys = keys

    async def of(
        self, session: ReadSession, *binding: object, accepts_unsigned: bool = False
    ) -> Cursors:
        """Return the cursors of the list with these filters and this order."""
        return Cursors(await self._keys.read(session), binding, accepts_unsigned)


async def _factory(request: Request) -> CursorFactory:
    keys: Any = request.state.cursor_keys
    assert isinstance(keys, CursorKeys)  # noqa: S101 - put there by the app's lifespan
    return CursorFactory(keys)


Signing = Annotated[CursorFactory, Depends(_factory)]


def _to_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _from_base64(text: str) -> bytes:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise _WRONG from None
