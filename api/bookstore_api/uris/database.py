"""Database URIs as PostgreSQL's own tools accept them, turned into what our drivers need.

asyncpg hands parameters that it does not know to the server, which rejects them. So the parameters
that only libpq knows are translated here, or rejected where they ask for what we can't do; unknown
ones are an error. None is ignored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from bookstore_api.uris.conninfo import UNPARSABLE, Host, pair_hosts, read_conninfo
from bookstore_api.uris.service_file import read_service

POSTGRES_SCHEMES = frozenset({"postgresql", "postgres", "postgresql+asyncpg"})
SQLITE_SCHEMES = frozenset({"sqlite", "sqlite+aiosqlite"})

# Where to connect to, and who we are there.
ADDRESS_PARAMETERS = frozenset(
    {"host", "port", "dbname", "user", "password", "target_session_attrs", "service"}
)
# Understood by asyncpg in a URI only, not as arguments.
DRIVER_PARAMETERS = frozenset(
    {
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
        "krbsrvname",
        "gsslib",
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
# Whole numbers that `Keepalive` is made of, and the largest that Linux takes.
SOCKET_PARAMETERS: Mapping[str, int] = MappingProxyType(
    {
        "keepalives": 2**31 - 1,
        "keepalives_idle": 32767,
        "keepalives_interval": 32767,
        "keepalives_count": 127,
        "tcp_user_timeout": 2**31 - 1,
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
        "hostaddr": frozenset(),
        "sslkeylogfile": frozenset(),
        "scram_client_key": frozenset(),
        "scram_server_key": frozenset(),
        "oauth_issuer": frozenset(),
        "oauth_client_id": frozenset(),
        "oauth_client_secret": frozenset(),
        "oauth_scope": frozenset(),
    }
)
OTHER_PARAMETERS = frozenset({"connect_timeout", "fallback_application_name"})
SUPPORTED = (
    ADDRESS_PARAMETERS
    | DRIVER_PARAMETERS
    | SESSION_PARAMETERS
    | SOCKET_PARAMETERS.keys()
    | FIXED.keys()
    | OTHER_PARAMETERS
)
ENFORCED_TLS = ("require", "verify-ca", "verify-full")
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

    hosts: Sequence[Host]
    """At least one; the name is empty where the URI has none."""
    arguments: dict[str, Any]
    """All but those that follow from the host."""
    session_attributes: str = "any"
    """Which of the hosts is meant: libpq's target_session_attrs."""
    keepalive: Keepalive = Keepalive()
    tls_files: Mapping[str, Path] = field(default_factory=dict)
    """By the parameter that names each."""
    system_ca: bool = False
    """Whether TLS trusts, and requires, the certificate authorities of the system."""


def parse_database_uri(uri: str) -> SqliteFile | PostgresServer:
    """Understand a database URI; raises ValueError, never with the URI in it."""
    text = uri.strip()
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError(UNPARSABLE) from None
    if parts.scheme in SQLITE_SCHEMES:
        return _parse_sqlite(parts)
    if parts.scheme in POSTGRES_SCHEMES:
        return _parse_postgres(text)
    msg = "The database URI must start with postgresql:// or sqlite:///."
    raise ValueError(msg)


def _parse_sqlite(parts: SplitResult) -> SqliteFile:
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or parts.query or parts.fragment or path in {"", ":memory:"} or "\0" in path:
        msg = (
            "A SQLite database is a file: sqlite:///relative/path or sqlite:////absolute/path, "
            "without a host or parameters."
        )
        raise ValueError(msg)
    return SqliteFile(Path(path))


def _parse_postgres(uri: str) -> PostgresServer:
    given = read_conninfo(uri, SUPPORTED)
    if "service" in given:
        given = read_service(given["service"], SUPPORTED - {"service"}) | given
    _check_values(given)
    if "user" not in given:
        msg = "The database URI names no user: postgresql://user:password@host:5432/database."
        raise ValueError(msg)
    system_ca = _takes_system_ca(given)
    application_name = given.get("fallback_application_name", APPLICATION_NAME)
    session = {name: value for name, value in given.items() if name in SESSION_PARAMETERS}
    for_driver = {name: value for name, value in given.items() if name in DRIVER_PARAMETERS}
    return PostgresServer(
        pair_hosts(given.get("host", ""), given.get("port", "")),
        {
            "dsn": f"postgresql://?{urlencode(for_driver, quote_via=quote)}",
            "user": given["user"],
            "password": given.get("password"),
            "database": given.get("dbname", given["user"]),
            "timeout": _connect_seconds(given),
            "server_settings": {"application_name": application_name, **session},
        },
        given.get("target_session_attrs", "any"),
        _keepalive(given),
        {name: Path(given[name]) for name in TLS_FILES if name in given},
        system_ca,
    )


def _check_values(given: Mapping[str, str]) -> None:
    """Raise ValueError for a value that the driver does not know, or would ignore."""
    for name, value in given.items():
        if name in CHOICES and value not in CHOICES[name]:
            msg = f"The database URI's {name} must be one of: {', '.join(sorted(CHOICES[name]))}."
            raise ValueError(msg)
        if name in FIXED and value.lower() not in FIXED[name]:
            only = " or ".join(sorted(FIXED[name]))
            remedy = f"leave it out, or use {only}" if only else "leave it out"
            msg = f"The driver can't do what the database URI's {name} demands: {remedy}."
            raise ValueError(msg)
    if given.get("sslnegotiation") == "direct" and given.get("sslmode") not in ENFORCED_TLS:
        modes = ", ".join(ENFORCED_TLS)
        msg = f"The database URI's sslnegotiation=direct needs an sslmode that is one of: {modes}."
        raise ValueError(msg)
    lowest = given.get("ssl_min_protocol_version", "TLSv1.2")
    if given.get("ssl_max_protocol_version", lowest) < lowest:
        msg = (
            "The database URI's ssl_max_protocol_version is below the lowest version, which is "
            f"{lowest}: raise it, or set ssl_min_protocol_version."
        )
        raise ValueError(msg)


def _takes_system_ca(given: dict[str, str]) -> bool:
    """Whether sslrootcert=system is asked for, which is libpq's own: it is taken out here."""
    if given.get("sslrootcert") != SYSTEM_CA:
        return False
    del given["sslrootcert"]
    if given.pop("sslmode", "verify-full") != "verify-full":
        msg = "The database URI's sslrootcert=system needs sslmode=verify-full."
        raise ValueError(msg)
    return True


def _keepalive(given: Mapping[str, str]) -> Keepalive:
    """Read libpq's parameters: seconds and a count; tcp_user_timeout is in milliseconds."""
    default = Keepalive()

    def number(name: str, otherwise: int) -> int:
        return read_number(given, name, otherwise, SOCKET_PARAMETERS[name])

    return Keepalive(
        enabled=number("keepalives", int(default.enabled)) != 0,
        idle=number("keepalives_idle", default.idle),
        interval=number("keepalives_interval", default.interval),
        count=number("keepalives_count", default.count),
        user_timeout=number("tcp_user_timeout", int(default.user_timeout * 1000)) / 1000,
    )


def read_number(given: Mapping[str, str], name: str, otherwise: int, largest: int) -> int:
    """Return a parameter that is a whole number up to `largest`; raises ValueError."""
    text = given.get(name, str(otherwise))
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= largest):
        msg = f"The database URI's {name} must be a whole number up to {largest}."
        raise ValueError(msg)
    return int(text)


def _connect_seconds(given: Mapping[str, str]) -> float:
    """Read libpq's connect_timeout: whole seconds, 0 or nothing for no limit; ours is bounded."""
    unsigned = {name: value.removeprefix("-") for name, value in given.items()}
    seconds = read_number(unsigned, "connect_timeout", 0, 2**31 - 1)
    unlimited = seconds == 0 or given.get("connect_timeout", "").startswith("-")
    return CONNECT_SECONDS if unlimited else min(float(seconds), CONNECT_SECONDS)
