"""Validate the values of Secrets, with reasons that do not contain any part of the value."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from enum import Enum
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from bookstore_operator.core.contract import (
    DATABASE_SCHEMES,
    REDIS_SCHEMES,
    SHORTEST_TOKEN,
    SMTP_SCHEMES,
)
from bookstore_operator.core.key_sets import read_document

_NOT_A_URI = "can't be read as a URI: percent-encode special characters in its password"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # what fits behind "Bearer": RFC 6750

_NOT_IN_A_URI = re.compile(r"[\x00-\x20\x7f]|%(?![0-9A-Fa-f]{2})")

_HAS_PORT = re.compile(r"[^:]:\d+$")


class Content(Enum):
    """What a key of a Secret is for."""

    DATABASE_URI = "database-uri"
    REDIS_URI = "redis-uri"
    STAFF_TOKEN = "staff-token"  # noqa: S105 - no secret
    SIGNING_KEYS = "signing-keys"
    SMTP_URI = "smtp-uri"


def invalid_reason(encoded: str, content: Content) -> str | None:
    """Return why a Secret's base64 value is invalid, as the end of a sentence; None if valid."""
    try:
        value = base64.b64decode(encoded, validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return "is not text"
    return _CHECKS[content](value) if value else "is empty"


def invalid_reasons(
    data: Mapping[str, str] | None, used: Mapping[str, Content]
) -> Mapping[str, str | None]:
    """Return why values of a Secret's `data` are invalid, by key; None if valid or not used."""
    return {
        key: invalid_reason(value, used[key]) if key in used else None
        for key, value in (data or {}).items()
    }


def _check_database_uri(uri: str) -> str | None:
    parts = _split(uri)
    if parts is None:
        return _NOT_A_URI
    if parts.scheme not in DATABASE_SCHEMES:
        return "does not begin with postgresql://"
    return None


def _check_redis_uri(uri: str) -> str | None:
    parts = _split(uri)
    if parts is None:
        return _NOT_A_URI
    if parts.scheme not in REDIS_SCHEMES:
        return "does not begin with redis:// or rediss://"
    if not parts.hostname:
        return "names no host"
    number = parts.path.strip("/")
    if number and not number.isdecimal():
        return "has no number for its database behind the host"
    return None


def _check_token(token: str) -> str | None:
    if len(token) < SHORTEST_TOKEN:
        return f"is shorter than {SHORTEST_TOKEN} characters"
    if not _TOKEN.fullmatch(token):
        return "has more in it than letters, digits and -._~+/"
    return None


def _check_signing_keys(text: str) -> str | None:
    if read_document(text) is None:
        return "is no key set: one line of JSON with a key to sign with"
    return None


def _check_smtp_uri(uri: str) -> str | None:
    """Return what the API would reject, which then would not start."""
    parts = _split(uri)
    if parts is None or _NOT_IN_A_URI.search(uri):
        return _NOT_A_URI
    options = {"smtp": {"", "tls=off", "tls=starttls"}, "smtps": {""}}.get(parts.scheme, set())
    problems = {
        "does not begin with smtp:// or smtps://": parts.scheme not in SMTP_SCHEMES,
        "names no host, or several": not parts.hostname or "," in parts.netloc,
        "has a path behind the host": parts.path.strip("/") or parts.fragment,
        "has other parameters than ?tls=off or ?tls=starttls of smtp://": (
            parts.query not in options
        ),
        "has only one of user and password": bool(parts.username) != bool(parts.password),
        "has a password and tls=off: it would be sent unencrypted": (
            parts.password and parts.query == "tls=off"
        ),
    }
    return next((problem for problem, holds in problems.items() if holds), None)


_CHECKS: Mapping[Content, Callable[[str], str | None]] = {
    Content.DATABASE_URI: _check_database_uri,
    Content.REDIS_URI: _check_redis_uri,
    Content.STAFF_TOKEN: _check_token,
    Content.SIGNING_KEYS: _check_signing_keys,
    Content.SMTP_URI: _check_smtp_uri,
}


def database_digest(data: Mapping[str, str], contents: Mapping[str, Content]) -> str:
    """Return a digest of which database a Secret's URIs name; empty if it has no valid one.

    It does not depend on user, password and options: a rotated password is no other database.

    Args:
        data: the base64 values by key.
        contents: what the keys are for.

    """
    uris = [
        base64.b64decode(data[key]).decode().strip()
        for key, content in sorted(contents.items())
        if content is Content.DATABASE_URI
        and key in data
        and invalid_reason(data[key], content) is None
    ]
    named = "\n".join(map(_named_database, uris))
    return hashlib.sha256(named.encode()).hexdigest()[:16] if uris else ""


def _named_database(uri: str) -> str:
    """Return hosts, ports and database of a PostgreSQL URI, which may have them as parameters."""
    parts = urlsplit(uri)
    query = dict(parse_qsl(parts.query))
    user, _, hosts = parts.netloc.rpartition("@")
    hosts = query.get("host", "") or query.get("hostaddr", "") or hosts
    default = query.get("port", "5432")
    listed = sorted(
        host if _HAS_PORT.search(host) else f"{host}:{default}"
        for host in unquote(hosts).lower().split(",")
    )
    name = query.get("dbname") or unquote(parts.path.strip("/")) or user.partition(":")[0]
    return f"{','.join(listed)}/{name}"


def _split(uri: str) -> SplitResult | None:
    """Return the parts of a URI; None if it or a port is invalid. `a:1,b:2` names two hosts."""
    try:
        parts = urlsplit(uri)
        hosts = parts.netloc.rpartition("@")[2].split(",")
        ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts]
        return parts if all(0 < int(port) < 65536 for port in ports if port) else None
    except ValueError:
        return None
