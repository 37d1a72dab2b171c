"""What the server rejects before any app sees it, and why: pure functions of a request's head.

What is no proper HTTP/1.1 is rejected rather than guessed at: a proxy before us might read it in
another way than we do, and so be made to let through what it should have stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self
from uuid import uuid4

import httptools

from bookstore_api.kit.problems import InvalidField, problem_response
from bookstore_api.telemetry.request_state import Headers, group_headers
from bookstore_api.web.middleware.security_headers import security_headers

MAX_TARGET_BYTES = 65_535  # the parser of request targets counts in 16 bits
MAX_PIPELINED = 16

RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Rejection:
    """Why a request never reaches the app; `reason` is the word for logs and metrics."""

    reason: str
    status: int
    detail: str
    field: InvalidField | None = None


def _wrong_header(name: str, message: str, code: str) -> Rejection:
    field = InvalidField(location=f"header/{name}", message=message, code=code)
    return Rejection("malformed", 400, "The request is not valid.", field)


MALFORMED = Rejection("malformed", 400, "That is no HTTP/1.1 request.")
WRONG_HOST = _wrong_header("host", "Exactly one is needed", "host")
WRONG_CODING = _wrong_header(
    "transfer-encoding", "Only chunked is known here, and only in HTTP/1.1", "transfer_encoding"
)
WRONG_UPGRADE = _wrong_header("upgrade", "Not taken together with a body", "upgrade")
HEAD_TOO_LARGE = Rejection("head-too-large", 431, "Send fewer or shorter headers.")
TARGET_TOO_LONG = Rejection("target-too-long", 414, "Send a shorter path and query.")
TOO_SLOW = Rejection("too-slow", 408, "The request did not arrive in time. Send it in one go.")
TOO_MANY = Rejection(
    "pipelined", 429, f"Send at most {MAX_PIPELINED} requests ahead of their answers."
)


class Head(NamedTuple):
    """A request's line and headers, the names in lower case."""

    method: str
    target: bytes
    version: str
    headers: Headers
    size: int
    upgrade: bool = False

    @classmethod
    def read(cls, parser: httptools.HttpRequestParser, target: bytes, headers: RawHeaders) -> Self:
        """Make it of what a parser has read; `size` is what it took on the wire."""
        method = parser.get_method().decode("ascii")
        line = len(method) + len(target) + len("  HTTP/1.1\r\n")
        # Of each header a colon, a space and a line's end as well.
        size = line + sum([len(name) + len(value) + 4 for name, value in headers])
        grouped = group_headers(headers)
        return cls(
            method, target, parser.get_http_version(), grouped, size, parser.should_upgrade()
        )


def check_head(head: Head, max_bytes: int) -> Rejection | None:
    """Return the first thing that is wrong with a head, if anything is."""
    if len(head.target) > min(max_bytes, MAX_TARGET_BYTES):
        return TARGET_TOO_LONG
    if head.size > max_bytes:
        return HEAD_TOO_LARGE
    if head.version not in ("1.1", "1.0") or not _is_target(head.target):
        return MALFORMED
    return _check_framing(head)


def _check_framing(head: Head) -> Rejection | None:
    """Look at what says whom a request is for, and where it ends."""
    old, headers = head.version == "1.0", head.headers
    hosts, codings = headers.get(b"host", ()), headers.get(b"transfer-encoding", ())
    if len(hosts) > 1 or not (hosts or old):
        return WRONG_HOST
    if codings and (old or [coding.lower() for coding in codings] != [b"chunked"]):
        return WRONG_CODING
    if head.upgrade and (codings or b"content-length" in headers):
        return WRONG_UPGRADE  # the parser takes such a body for another protocol's first words
    return None


def _is_target(target: bytes) -> bool:
    """Whether it is a path, or a URL with one; raises httptools' errors."""
    if target.startswith(b"/"):
        return True
    url = httptools.parse_url(target)
    return url.schema is not None and url.path is not None


def too_large(target: bytes, headers: RawHeaders) -> Rejection:
    """Say which part of a head that is too large, and not there to its end, makes it so."""
    return HEAD_TOO_LARGE if headers or not target else TARGET_TOO_LONG


def answer_to(rejection: Rejection, server_headers: RawHeaders) -> tuple[str, list[bytes]]:
    """Return an id for the request, and the answer without its status line."""
    request_id = uuid4().hex
    problem = problem_response(
        rejection.status, rejection.detail, errors=[rejection.field] if rejection.field else None
    )
    headers = [
        *server_headers,
        *problem.raw_headers,
        *security_headers(),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    lines = [name + b": " + value + b"\r\n" for name, value in headers]
    return request_id, [*lines, b"\r\n", bytes(problem.body)]
