"""Database URIs as PostgreSQL's own tools accept them, turned into what our drivers need.

asyncpg hands query parameters that it does not know to the server, which rejects them. So the
parameters that only libpq knows are translated here, or rejected where they ask for what we can't
do; unknown ones are an error. None is ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
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
# Parameters of which the driver knows some values only; another is an error at each connection.
CHOICES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
        "sslnegotiation": frozenset({"postgres", "direct"}),
        "target_session_attrs": frozenset(
            {"any", "primary", "standby", "read-write", "read-only", "prefer-standby"}
        ),
        "gsslib": frozenset({"gssapi", "sspi"}),
        "ssl_min_protocol_version": frozenset({"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}),
        "ssl_max_protocol_version": frozenset({"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}),
    }
)
# Sent to the server when the session starts.
SESSION_PARAMETERS = frozenset({"application_name", "options"})
# Whole numbers that `Keepalive` is made of.
SOCKET_PARAMETERS = frozenset(
    {
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
    }
)
# What asyncpg has no setting for: accepted with the values that ask for what it does anyway. Any
# other would be ignored, and some would be missed only in an attack.
FIXED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "client_encoding": frozenset({"auto", "utf8", "utf-8", "unicode"}),
        "gssencmode": frozenset({"disable", "prefer"}),
        "gssdelegation": frozenset({"0"}),
        "channel_binding": frozenset({"disable", "prefer"}),
        "require_auth": frozenset(),
        "sslcompression": frozenset({"0"}),
        "sslcertmode": frozenset({"allow"}),
        "sslsni": frozenset({"1"}),
        "sslcrldir": frozenset(),
        "requirepeer": frozenset(),
        "load_balance_hosts": frozenset({"disable"}),
        "requiressl": frozenset({"0"}),
        "min_protocol_version": frozenset({"3.0"}),
        "max_protocol_version": frozenset({"3.0", "latest"}),
        "replication": frozenset({"false", "off", "no", "0"}),
    }
)
OTHER_PARAMETERS = frozenset({"connect_timeout", "fallback_application_name"})
SUPPORTED = (
    DRIVER_PARAMETERS | SESSION_PARAMETERS | SOCKET_PARAMETERS | FIXED.keys() | OTHER_PARAMETERS
)
TLS_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
# libpq's word for the certificate authorities that the system trusts.
SYSTEM_CA = "system"
APPLICATION_NAME = "bookstore-api"
CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class SqliteFile:
    """A SQLite database in a file."""

    path: Path


@dataclass(frozen=True)
class Keepalive:
    """How soon the kernel notices that nobody is at the other end: seconds, and a count of probes.

    `user_timeout` is how long sent data may stay unacknowledged. 0 stands for the system's default.
    """

    enabled: bool = True
    idle: int = 10
    interval: int = 5
    count: int = 3
    user_timeout: float = 10.0


@dataclass(frozen=True, repr=False)
class PostgresServer:
    """A PostgreSQL database; `arguments` are asyncpg's and hold the password, so no repr."""

    arguments: dict[str, Any]
    keepalive: Keepalive = Keepalive()
    tls_files: Mapping[str, Path] = field(default_factory=dict)
    """By the parameter that names each."""
    system_ca: bool = False
    """Whether TLS trusts, and requires, the certificate authorities of the system."""


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
    for number, name in enumerate(query, start=1):
        # Told by its place: what looks like a name may be the rest of a password with a & in it.
        if name not in SUPPORTED:
            msg = f"PostgreSQL does not know parameter {number} after the ? of the database URI."
            raise ValueError(msg)
    if not parts.username and not query.get("user"):
        msg = "The database URI names no user: postgresql://user:password@host:5432/database."
        raise ValueError(msg)
    query = {name: value for name, value in query.items() if value}
    _check_values(query)
    system_ca = query.get("sslrootcert") == SYSTEM_CA
    if system_ca:
        del query["sslrootcert"]
        if query.pop("sslmode", "verify-full") != "verify-full":
            msg = "The database URI's sslrootcert=system needs sslmode=verify-full."
            raise ValueError(msg)
    session = {name: value for name, value in query.items() if name in SESSION_PARAMETERS}
    application_name = query.get("fallback_application_name", APPLICATION_NAME)
    kept = {name: value for name, value in query.items() if name in DRIVER_PARAMETERS}
    return PostgresServer(
        {
            "dsn": urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(kept), "")),
            "timeout": _connect_seconds(query.get("connect_timeout", "")),
            "server_settings": {"application_name": application_name, **session},
        },
        _keepalive(query),
        {name: Path(query[name]) for name in TLS_FILES if name in query},
        system_ca,
    )


def _check_values(query: Mapping[str, str]) -> None:
    """Raise ValueError for a value that the driver does not know, or would ignore."""
    for name, value in query.items():
        if name in CHOICES and value not in CHOICES[name]:
            msg = f"The database URI's {name} must be one of: {', '.join(sorted(CHOICES[name]))}."
            raise ValueError(msg)
        if name in FIXED and value.lower() not in FIXED[name]:
            only = " or ".join(sorted(FIXED[name]))
            remedy = f"leave it out, or use {only}" if only else "leave it out"
            msg = f"The driver can't do what the database URI's {name} demands: {remedy}."
            raise ValueError(msg)


def _keepalive(query: Mapping[str, str]) -> Keepalive:
    """Read libpq's parameters: seconds and a count; tcp_user_timeout is in milliseconds."""

    def number(name: str, default: int) -> int:
        text = query.get(name, str(default))
        if not (text.isascii() and text.isdigit() and int(text) < 2**31):
            msg = f"The database URI's {name} must be a whole number."
            raise ValueError(msg)
        return int(text)

    default = Keepalive()
    return Keepalive(
        enabled=number("keepalives", int(default.enabled)) != 0,
        idle=number("keepalives_idle", default.idle),
        interval=number("keepalives_interval", default.interval),
        count=number("keepalives_count", default.count),
        user_timeout=number("tcp_user_timeout", int(default.user_timeout * 1000)) / 1000,
    )


def _connect_seconds(value: str) -> float:
    """Read libpq's connect_timeout: whole seconds, 0 or nothing for no limit; ours is bounded."""
    try:
        seconds = int(value or 0)
    except ValueError:
        msg = "The database URI's connect_timeout must be a whole number of seconds."
        raise ValueError(msg) from None
    return min(float(seconds), CONNECT_SECONDS) if seconds > 0 else CONNECT_SECONDS
