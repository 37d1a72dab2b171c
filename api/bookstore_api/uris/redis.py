"""URIs of Redis, as its own clients write them.

Parsed without redis-py: settings are read by every command, and loading it takes time.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

SCHEMES = frozenset({"redis", "rediss"})
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


def parse_redis_uri(uri: str) -> RedisServer:
    """Understand a URI of Redis; raises ValueError, never with the URI in it."""
    try:
        parts = urlsplit(uri.strip())
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        port = parts.port or DEFAULT_PORT
        database = int(query.get("db") or unquote(parts.path).replace("/", "") or 0)
    except ValueError:
        parts, query, port, database = urlsplit(""), {}, DEFAULT_PORT, 0
    if parts.scheme not in SCHEMES or not parts.hostname or database < 0:
        msg = (
            "The Redis URI must be like redis://:password@host:6379/0, or rediss:// for TLS: "
            "percent-encode special characters in its password."
        )
        raise ValueError(msg)
    if {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - PARAMETERS:
        msg = f"The Redis URI may have these parameters only: {', '.join(sorted(PARAMETERS))}."
        raise ValueError(msg)
    return RedisServer(
        host=unquote(parts.hostname),
        port=port,
        username=_decoded(parts.username),
        password=_decoded(parts.password),
        database=database,
        tls=parts.scheme == "rediss",
        tls_arguments={
            name: value.upper() not in _NO if name == "ssl_check_hostname" else value
            for name, value in query.items()
            if name.startswith("ssl_")
        },
    )


def _decoded(text: str | None) -> str | None:
    return unquote(text) if text else None
