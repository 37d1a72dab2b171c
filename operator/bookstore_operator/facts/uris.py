"""What is wrong with a database's URI, without a word of what it says."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

SCHEMES = frozenset({"postgresql", "postgres"})


def fault_of(encoded: str) -> str | None:
    """Return what is wrong with a URI as a Secret holds it (base64), or None."""
    try:
        uri = base64.b64decode(encoded, validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return "is not text"
    if not uri:
        return "is empty"
    try:
        parts = urlsplit(uri)
        _check_ports(parts.netloc)
    except ValueError:
        return "can't be read as a URI: percent-encode special characters in its password"
    if parts.scheme not in SCHEMES:
        return "does not begin with postgresql://"
    return None


def _check_ports(netloc: str) -> None:
    """Raise ValueError where a port is no number: `a:1,b:2` may name several hosts."""
    for host in netloc.rpartition("@")[2].split(","):
        port = host.rpartition("]")[2].partition(":")[2]
        if port and not 0 < int(port) < 65536:
            raise ValueError
