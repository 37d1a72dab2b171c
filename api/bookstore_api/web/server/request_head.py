"""What the server rejects before any app sees it, and why: pure functions of a request's head.

What is no proper HTTP/1.1 is rejected rather than guessed at: a proxy before us might read it in
another way than we do, and so be made to let through what it should have stopped.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple, Self
from urllib.parse import unquote
from uuid import uuid4

import httptools

from bookstore_api.kit.problems import InvalidField, problem_response
from bookstore_api.telemetry.request_state import Headers, group_headers
from bookstore_api.web.middleware.security_headers import security_headers

MAX_TARGET_BYTES = 65_535  # the parser of request targets counts in 16 bits
MAX_PIPELINED = 16

RawHeaders = Sequence[tuple[bytes, bytes]]

# What a URI may hold, and a bit more: browsers send `|`, `{` and the like as they are.
_TARGET = re.compile(rb"[\x21\x24-\x3b\x3d\x3f-\x7e]+")
_ABSOLUTE = re.compile(rb"https?://(?P<host>[^/?]*)(?P<rest>.*)", re.IGNORECASE)
_HOST = re.compile(
    rb"(?:(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{0,5}))?"
)
_MAX_PORT = 65_535
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SLASH = re.compile("%2f", re.IGNORECASE)
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CODING = re.compile(_TOKEN)
# RFC 9112, 3: a request line, and what may become one when the rest has arrived.
_LINE = re.compile(
    rb"(?P<method>" + _TOKEN + rb") [^ \r\n]+ HTTP/(?P<major>[0-9])\.[0-9]\r\n",
)
_BEGUN_LINE = re.compile(_TOKEN + rb"(?: [^\r\n]*)?\r?")
# Any other is not implemented (RFC 9110, 9.1), whether or not the parser knows it. A path that does
# not take one of these is the app's to tell.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_CONTINUE = b"100-continue"


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
WRONG_VERSION = Rejection("version", 505, "Send HTTP/1.1.")
UNKNOWN_METHOD = Rejection(
    "unknown-method", 501, "No such method. OPTIONS tells which ones a path takes."
)
WRONG_EXPECTATION = Rejection(
    "expectation", 417, "The only expectation that can be met is 100-continue."
)
WRONG_HOST = _wrong_header(
    "host", "Exactly one is needed: a name or an address, and a port if any", "host"
)
WRONG_CODING = _wrong_header(
    "transfer-encoding", "Only chunked is known here, and only in HTTP/1.1", "transfer_encoding"
)
UNKNOWN_CODING = Rejection(
    "transfer-coding", 501, "The only transfer coding that is known here is chunked."
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


class Target(NamedTuple):
    """What a request is for: the path with the query, and whose where the client names it there."""

    path: bytes
    host: bytes | None = None


def check_head(head: Head, max_bytes: int) -> Rejection | None:
    """Return the first thing that is wrong with a head, if anything is."""
    if len(head.target) > min(max_bytes, MAX_TARGET_BYTES):
        return TARGET_TOO_LONG
    if head.size > max_bytes:
        return HEAD_TOO_LARGE
    if not head.version.startswith("1."):  # a higher minor version is read as ours (RFC 9110, 2.5)
        return MALFORMED if head.version < "1" else WRONG_VERSION
    if head.method not in _METHODS:
        return UNKNOWN_METHOD
    if read_target(head.method, head.target) is None:
        return MALFORMED
    return _check_framing(head) or _check_expectation(head)


def _check_framing(head: Head) -> Rejection | None:
    """Look at what says whom a request is for, and where it ends."""
    old, headers = head.version == "1.0", head.headers
    hosts, codings = headers.get(b"host", ()), headers.get(b"transfer-encoding", ())
    if len(hosts) > 1 or not (hosts or old) or not all(map(is_host, hosts)):
        return WRONG_HOST
    if codings and (old or b",".join(codings).lower() != b"chunked"):
        return WRONG_CODING if old else _check_codings(b",".join(codings))
    if head.upgrade and (codings or b"content-length" in headers):
        return WRONG_UPGRADE  # the parser takes such a body for another protocol's first words
    return None


def _check_codings(value: bytes) -> Rejection:
    """Tell a coding that is not known here from one that leaves the body's end open.

    RFC 9112, 6.1 and 6.3: where chunked is not the last one, or there twice, 400 is a must.
    """
    codings = [coding.strip(b" \t").lower() for coding in value.split(b",")]
    framed = codings[-1] == b"chunked" and codings.count(b"chunked") == 1
    return UNKNOWN_CODING if framed and all(map(_CODING.fullmatch, codings)) else WRONG_CODING


def _check_expectation(head: Head) -> Rejection | None:
    """Look at what the client waits for before it sends the body; HTTP/1.0 can't wait."""
    if head.version == "1.0":
        return None
    members = b",".join(head.headers.get(b"expect", ())).lower().split(b",")
    return None if {member.strip() for member in members} <= {b"", _CONTINUE} else WRONG_EXPECTATION


def read_target(method: str, target: bytes) -> Target | None:
    """Take a target apart: a path, a URL, or `*` of OPTIONS; None where it is none of them."""
    if target == b"*":
        return Target(target) if method == "OPTIONS" else None
    if not _TARGET.fullmatch(target) or _BAD_PERCENT.search(target):
        return None
    if target.startswith(b"/"):
        return Target(target)
    url = _ABSOLUTE.fullmatch(target)
    if url is None or not is_host(url["host"]):
        return None
    rest = url["rest"]
    if not rest and method == "OPTIONS":
        return Target(b"*", url["host"])
    return Target(rest if rest.startswith(b"/") else b"/" + rest, url["host"])


@lru_cache(1024)
def is_host(value: bytes) -> bool:
    """Whether a Host header is one (RFC 9110, 7.2), and not empty: no http URI is without a host.

    Of a name's characters (RFC 3986, 3.2.2), those that no host has are not taken: a list of hosts
    would be one.
    """
    match = _HOST.fullmatch(value)
    if match is None or int(match["port"] or 0) > _MAX_PORT:
        return False
    if match["ipv6"] is None:
        return True
    try:
        IPv6Address(match["ipv6"].decode("ascii"))
    except ValueError:
        return False
    return True


def decode_path(raw: str) -> str:
    """Decode the path of a target, but for an encoded slash: it is no slash (RFC 3986, 2.2)."""
    return "%2F".join(map(unquote, _SLASH.split(raw)))


def explain_line(begin: bytes) -> Rejection | None:
    """Say what is wrong with a request that the parser stopped at, of which this is the begin.

    None where that depends on the rest of its first line.
    """
    begin = begin.lstrip(b"\r\n")
    line = _LINE.match(begin)
    if line is None:
        return None if _BEGUN_LINE.fullmatch(begin) else MALFORMED
    if line["major"] > b"1":
        return WRONG_VERSION
    return MALFORMED if line["method"].decode("ascii") in _METHODS else UNKNOWN_METHOD


def too_large(target: bytes, headers: RawHeaders) -> Rejection:
    """Say which part of a head that is too large, and not there to its end, makes it so."""
    return HEAD_TOO_LARGE if headers or not target else TARGET_TOO_LONG


def answer_to(
    rejection: Rejection, further_headers: RawHeaders, *, with_body: bool
) -> tuple[str, list[bytes]]:
    """Return an id for the request, and the answer without its status line."""
    request_id = uuid4().hex
    problem = problem_response(
        rejection.status, rejection.detail, errors=[rejection.field] if rejection.field else None
    )
    headers = [
        *further_headers,
        *problem.raw_headers,
        *security_headers(),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    lines = [name + b": " + value + b"\r\n" for name, value in headers]
    return request_id, [*lines, b"\r\n", bytes(problem.body) if with_body else b""]
