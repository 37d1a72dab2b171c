"""URIs of Redis, as its own clients write them.

Parsed without redis-py: settings are read by every command, and loading it takes time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from bookstore_api.uris.conninfo import check_text, decode

TLS_SCHEMES = frozenset({"rediss", "valkeys"})
SCHEMES = TLS_SCHEMES | {"redis", "valkey"}
# What a URI may say besides the address: nothing that would undo our timeouts and retries.
PARAMETERS = frozenset(
    {
        "db",
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
    }
)
DEFAULT_PORT = 6379
_NO = frozenset({"0", "F", "FALSE", "N", "NO"})  # as redis-py reads a parameter that is yes or no
_YES = frozenset({"1", "T", "TRUE", "Y", "YES"})
_CERT_REQS = frozenset({"none", "optional", "required"})
_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
_SEVERAL = (
    "The Redis URI is of Sentinels, of a cluster or of several hosts, which the API can't use: "
    "give the address of one primary, such as that of a Service or proxy that follows it."
)
_FORM = (
    "The Redis URI must be like redis://:password@host:6379/0, or rediss:// for TLS: "
    "percent-encode special characters in its password."
)


@dataclass(frozen=True, repr=False)
class RedisServer:
    """Where Redis is and who we are there; holds the password, so no repr."""

    host: str
    port: int
    username: str | None
    password: str | None
    database: int
    tls: bool
    tls_arguments: dict[str, Any]

    @property
    def tls_files(self) -> Mapping[str, Path]:
        """The files and folders that must be there, by the parameter that names each."""
        return {
            name: Path(self.tls_arguments[name]) for name in _FILES if name in self.tls_arguments
        }


def parse_redis_uri(uri: str) -> RedisServer:
    """Understand a URI of Redis; raises ValueError, never with the URI in it."""
    try:
        check_text(uri.strip())
        parts = urlsplit(uri.strip())
        port = DEFAULT_PORT if parts.port is None else parts.port
        username, password = (
            decode(text or "") or None for text in (parts.username, parts.password)
        )
        host = decode(parts.hostname or "")
    except ValueError:
        raise ValueError(_SEVERAL if "," in uri.rpartition("@")[2] else _FORM) from None
    if "sentinel" in parts.scheme or "cluster" in parts.scheme or "," in host:
        raise ValueError(_SEVERAL)
    if parts.scheme not in SCHEMES or not host or not port:
        raise ValueError(_FORM)
    query = _read_query(parts)
    tls = parts.scheme in TLS_SCHEMES
    if not tls and query.keys() - {"db"}:
        msg = "The Redis URI's ssl_ parameters need rediss://, which is Redis with TLS."
        raise ValueError(msg)
    return RedisServer(
        host=host,
        port=port,
        username=username or None,
        password=password or None,
        database=_read_database(query.pop("db", "") or parts.path.removeprefix("/")),
        tls=tls,
        tls_arguments={
            name: value.upper() not in _NO if name == "ssl_check_hostname" else value
            for name, value in query.items()
        },
    )


def _read_query(parts: SplitResult) -> dict[str, str]:
    items = [item.partition("=") for item in parts.query.split("&") if item]
    query = {name: decode(value) for name, _, value in items}
    if query.keys() - PARAMETERS or len(query) < len(items):
        known = ", ".join(sorted(PARAMETERS))
        msg = f"The Redis URI may have each of these parameters once: {known}."
        raise ValueError(msg)
    if query.get("ssl_cert_reqs", "none") not in _CERT_REQS:
        msg = f"The Redis URI's ssl_cert_reqs must be one of: {', '.join(sorted(_CERT_REQS))}."
        raise ValueError(msg)
    if query.get("ssl_check_hostname", "NO").upper() not in _NO | _YES:
        msg = "The Redis URI's ssl_check_hostname must be true or false."
        raise ValueError(msg)
    return query


def _read_database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(_FORM)
    return int(text or 0)
