"""libpq's connection URIs taken apart, as libpq reads them; pure functions.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS

Python's own functions read the query of a web form: `+` is a space to them, `#` ends a URI, and
what is no valid percent-encoding stays as it is. A password with such a character would be
another one here than in psql.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

DEFAULT_PORT = 5432
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Spaces and controls, which are percent-encoded in a URI. What a web browser drops, psql does not.
_NOT_IN_A_URI = re.compile(r"[\x00-\x20\x7f#]")
_HOST = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[^:]*))?")

UNPARSABLE = "The database URI can't be parsed: percent-encode special characters in its password."


class Host(NamedTuple):
    """Where a server listens: a name, an address, or the folder of a Unix socket; and its port."""

    name: str
    port: int


def read_conninfo(uri: str, known: Collection[str]) -> dict[str, str]:
    """Return the parameters of a URI by name, such as `{"host": "a,b", "port": "1,2", …}`.

    A parameter in the query wins over the same one before it. Empty ones are left out. Raises
    ValueError for one that is not `known`, and never with the URI in it.
    """
    check_text(uri)
    address, _, query = uri.partition("://")[2].partition("?")
    authority, _, database = address.partition("/")
    if authority.count("@") > 1:
        raise ValueError(UNPARSABLE)
    credentials, _, hosts = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    given = {"user": decode(user), "password": decode(password), "dbname": decode(database)}
    given |= _read_hosts(hosts)
    given |= dict(_read_query(query, known))
    return {name: value for name, value in given.items() if value}


def _read_query(query: str, known: Collection[str]) -> Iterator[tuple[str, str]]:
    for number, item in enumerate(query.split("&") if query else (), start=1):
        name, separator, value = item.partition("=")
        # Told by its place: what looks like a name may be the rest of a password with a & in it.
        if not separator:
            msg = f"Parameter {number} after the ? of the database URI is not like name=value."
            raise ValueError(msg)
        if item == "ssl=true":  # as JDBC has it, and libpq too
            yield "sslmode", "require"
        elif decode(name) not in known:
            msg = f"PostgreSQL does not know parameter {number} after the ? of the database URI."
            raise ValueError(msg)
        else:
            yield decode(name), decode(value)


def _read_hosts(text: str) -> dict[str, str]:
    """Read `[::1]:1,b` as libpq's parameters `host` and `port`, which list the same hosts."""
    hosts, ports = [], []
    for each in text.split(","):
        match = _HOST.fullmatch(each)
        if match is None:
            raise ValueError(UNPARSABLE)
        hosts.append(decode(match["host"].removeprefix("[").removesuffix("]")))
        ports.append(decode(match["port"] or ""))
    return {
        "host": ",".join(hosts) if any(hosts) else "",
        "port": ",".join(ports) if any(ports) else "",
    }


def check_text(uri: str) -> None:
    """Raise ValueError for characters that are no part of a URI, or percent-encode nothing."""
    if _NOT_IN_A_URI.search(uri) or _BAD_PERCENT.search(uri):
        raise ValueError(UNPARSABLE)


def decode(text: str) -> str:
    """Decode percent-encoding; raises ValueError where the result is no text that can be sent."""
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(UNPARSABLE) from None
    if "\0" in decoded:
        raise ValueError(UNPARSABLE)
    return decoded


def pair_hosts(host: str, port: str) -> Sequence[Host]:
    """Return the hosts with their ports; none where the URI names no host. Raises ValueError."""
    ports = [_read_port(each) for each in port.split(",")]
    if not host:
        return [Host("", ports[0])]
    names = host.split(",")
    if len(ports) == 1:
        ports *= len(names)
    if len(ports) != len(names):
        msg = f"The database URI has {len(names)} hosts and {len(ports)} ports."
        raise ValueError(msg)
    return [Host(name or "localhost", number) for name, number in zip(names, ports, strict=True)]


def _read_port(text: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        # Not shown: with an unencoded special character in it, a password may be taken for a port.
        msg = (
            "A port in the database URI is not a number from 1 to 65535: percent-encode special "
            "characters in its password."
        )
        raise ValueError(msg)
    return int(text)
