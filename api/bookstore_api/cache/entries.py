"""What is kept of an answer: the part that is the same for everybody."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

# Another form of entries gets another number: processes of both releases share one Redis.
FORMAT = 1

Header = tuple[bytes, bytes]
Tokens = tuple[str, ...]
"""The generation of each tag at the moment before an answer was computed."""


@dataclass(frozen=True, slots=True)
class Route:
    """The route that computed an answer, as far as logs and metrics ask for it."""

    path: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer 200; `headers` are those in front of its body."""

    body: bytes
    content_type: bytes
    etag: bytes
    route: Route
    headers: Sequence[Header] = field(init=False)

    def __post_init__(self) -> None:
        headers = (
            (b"content-length", str(len(self.body)).encode()),
            (b"content-type", self.content_type),
            (b"etag", self.etag),
        )
        object.__setattr__(self, "headers", headers)


def encode(entry: Entry, tokens: Tokens) -> bytes:
    """Write an entry for Redis."""
    head = {
        "format": FORMAT,
        "status": HTTPStatus.OK.value,
        "tokens": tokens,
        "type": entry.content_type.decode("latin-1"),
        "etag": entry.etag.decode("latin-1"),
        "route": entry.route.path,
    }
    return json.dumps(head).encode() + b"\n" + entry.body


def decode(raw: bytes, tokens: Tokens) -> Entry | None:
    """Read an entry; None where it is of other generations, or is none that this code wrote."""
    head, _, body = raw.partition(b"\n")
    try:
        found = json.loads(head)
        if found["format"] != FORMAT or found["status"] != HTTPStatus.OK:
            return None
        if tuple(found["tokens"]) != tokens or not all(tokens):
            return None
        return Entry(
            body,
            found["type"].encode("latin-1"),
            found["etag"].encode("latin-1"),
            Route(str(found["route"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
