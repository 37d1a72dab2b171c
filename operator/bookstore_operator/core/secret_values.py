"""What is wrong with a value of a Secret, without a word of what it says."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from enum import Enum
from urllib.parse import urlsplit

from bookstore_operator.core.contract import DATABASE_SCHEMES, REDIS_SCHEMES, SHORTEST_TOKEN

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # what fits behind "Bearer": RFC 6750


class Content(Enum):
    """What a key of a Secret is for."""

    DATABASE_URI = "database-uri"
    REDIS_URI = "redis-uri"
    STAFF_TOKEN = "staff-token"  # noqa: S105 - no secret


def fault_of(encoded: str, content: Content) -> str | None:
    """Return what is wrong with a value as a Secret holds it (base64), or None."""
    try:
        value = base64.b64decode(encoded, validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return "is not text"
    return _FAULTS[content](value) if value else "is empty"


def _database_fault(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
        _check_ports(parts.netloc)
    except ValueError:
        return "can't be read as a URI: percent-encode special characters in its password"
    if parts.scheme not in DATABASE_SCHEMES:
        return "does not begin with postgresql://"
    return None


def _redis_fault(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
        _check_ports(parts.netloc)
        number = parts.path.strip("/")
    except ValueError:
        return "can't be read as a URI: percent-encode special characters in its password"
    if parts.scheme not in REDIS_SCHEMES:
        return "does not begin with redis:// or rediss://"
    if not parts.hostname:
        return "names no host"
    if number and not number.isdecimal():
        return "has no number for its database behind the host"
    return None


def _token_fault(token: str) -> str | None:
    if len(token) < SHORTEST_TOKEN:
        return f"is shorter than {SHORTEST_TOKEN} characters"
    if not _TOKEN.fullmatch(token):
        return "has more in it than letters, digits and -._~+/"
    return None


_FAULTS: Mapping[Content, Callable[[str], str | None]] = {
    Content.DATABASE_URI: _database_fault,
    Content.REDIS_URI: _redis_fault,
    Content.STAFF_TOKEN: _token_fault,
}


def _check_ports(netloc: str) -> None:
    """Raise ValueError where a port is no number: `a:1,b:2` may name several hosts."""
    for host in netloc.rpartition("@")[2].split(","):
        port = host.rpartition("]")[2].partition(":")[2]
        if port and not 0 < int(port) < 65536:
            raise ValueError
