"""Database URIs as PostgreSQL's own tools accept them, turned into what our drivers need.

asyncpg hands query parameters that it does not know to the server, which rejects them. So the
parameters that only libpq knows are translated or left out here, and unknown ones are an error.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

POSTGRES_SCHEMES = frozenset({"postgresql", "postgres", "postgresql+asyncpg"})
SQLITE_SCHEMES = frozenset({"sqlite", "sqlite+aiosqlite"})

# Understood by asyncpg in a URI.
DRIVER_PARAMETERS = frozenset(
    {
        "host",
        "port",
        "dbname",
        "user",
        "password",
        "passfile",
        "sslmode",
        "sslcert",
        "sslkey",
        "sslrootcert",
        "sslnegotiation",
        "sslcrl",
        "sslpassword",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "target_session_attrs",
        "krbsrvname",
        "gsslib",
        "service",
    }
)
# Sent to the server when the session starts.
SESSION_PARAMETERS = frozenset({"application_name", "options"})
# Tuning of libpq's own sockets and authentication; asyncpg has nothing of the kind to tune.
LIBPQ_ONLY_PARAMETERS = frozenset(
    {
        "client_encoding",
        "fallback_application_name",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "gssencmode",
        "gssdelegation",
        "channel_binding",
        "require_auth",
        "sslcompression",
        "sslcertmode",
        "sslsni",
        "sslcrldir",
        "requirepeer",
        "load_balance_hosts",
        "requiressl",
        "min_protocol_version",
        "max_protocol_version",
        "replication",
    }
)
APPLICATION_NAME = "bookstore-api"
CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 30.0


@dataclass(frozen=True)
class SqliteFile:
    """A SQLite database in a file."""

    path: Path


@dataclass(frozen=True, repr=False)
class PostgresServer:
    """A PostgreSQL database; `arguments` are asyncpg's and hold the password, so no repr."""

    arguments: dict[str, Any]


def parse_database_uri(uri: str) -> SqliteFile | PostgresServer:
    """Understand a database URI; raises ValueError, never with the URI in it."""
    try:
        parts = urlsplit(uri.strip())
        _check_ports(parts.netloc)
    except ValueError:
        msg = "The database URI can't be parsed: percent-encode special characters in its password."
        raise ValueError(msg) from None
    if parts.scheme in SQLITE_SCHEMES:
        return _parse_sqlite(parts)
    if parts.scheme in POSTGRES_SCHEMES:
        return _parse_postgres(parts)
    msg = "The database URI must start with postgresql:// or sqlite:///."
    raise ValueError(msg)


def _check_ports(netloc: str) -> None:
    """Raise ValueError where a port is no number: `a:1,b:2` may name several hosts."""
    for host in netloc.rpartition("@")[2].split(","):
        port = host.rpartition("]")[2].partition(":")[2]
        if port and not 0 < int(port) < 65536:
            raise ValueError


def _parse_sqlite(parts: SplitResult) -> SqliteFile:
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or parts.query or path in {"", ":memory:"}:
        msg = (
            "A SQLite database is a file: sqlite:///relative/path or sqlite:////absolute/path, "
            "without a host or parameters."
        )
        raise ValueError(msg)
    return SqliteFile(Path(path))


def _parse_postgres(parts: SplitResult) -> PostgresServer:
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    supported = DRIVER_PARAMETERS | SESSION_PARAMETERS | LIBPQ_ONLY_PARAMETERS | {"connect_timeout"}
    for number, name in enumerate(query, start=1):
        # Told by its place: what looks like a name may be the rest of a password with a & in it.
        if name not in supported:
            msg = f"PostgreSQL does not know parameter {number} after the ? of the database URI."
            raise ValueError(msg)
    if not parts.username and not query.get("user"):
        msg = "The database URI names no user: postgresql://user:password@host:5432/database."
        raise ValueError(msg)
    kept = {name: value for name, value in query.items() if name in DRIVER_PARAMETERS and value}
    session = {name: value for name, value in query.items() if name in SESSION_PARAMETERS and value}
    dsn = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(kept), ""))
    return PostgresServer(
        {
            "dsn": dsn,
            "timeout": _connect_seconds(query.get("connect_timeout", "")),
            "server_settings": {"application_name": APPLICATION_NAME, **session},
        }
    )


def _connect_seconds(value: str) -> float:
    """Read libpq's connect_timeout: whole seconds, 0 or nothing for no limit; ours is bounded."""
    try:
        seconds = int(value or 0)
    except ValueError:
        msg = "The database URI's connect_timeout must be a whole number of seconds."
        raise ValueError(msg) from None
    return min(float(seconds), CONNECT_SECONDS) if seconds > 0 else CONNECT_SECONDS
