"""Who asks: the client's address, past the proxies that are trusted to tell it.

Each proxy adds the address it was asked from at the right end of X-Forwarded-For, so that what is
left of the first untrusted one is the client's own invention. RFC 7239's Forwarded is not read.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from starlette.types import Scope

from bookstore_api.telemetry.request_state import headers_of

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FORWARDED_FOR = b"x-forwarded-for"
MAX_HOPS = 32
# Whoever has one address of IPv6 has all of its network, so limits count that.
IPV6_PREFIX = 64


class ClientAddresses:
    """Finds clients' addresses past the proxies of some networks."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = trusted

    def of(self, scope: Scope) -> str:
        """Return the address of a request's client, in its usual form; empty where there is none.

        Where a trusted proxy names somebody who is no address, the proxy itself is the client.
        """
        peer = scope.get("client")
        if peer is None:
            return ""  # a socket of the file system
        nearest = parse_address(peer[0])
        if nearest is None:
            return ""
        if self._trusted and self._trusts(nearest):
            for entry in _forwarded_for(scope):
                address = parse_address(entry)
                if address is None:
                    break
                nearest = address
                if not self._trusts(address):
                    break
        return str(nearest)

    def _trusts(self, address: Address) -> bool:
        return any(
            address.version == network.version and address in network for network in self._trusted
        )


def _forwarded_for(scope: Scope) -> Iterator[str]:
    """Yield who was asked by whom, the nearest first; a list in several headers is one list."""
    values = headers_of(scope).get(FORWARDED_FOR, ())
    entries = b",".join(values).decode("latin-1").rsplit(",", MAX_HOPS)
    yield from list(reversed(entries))[:MAX_HOPS]


@lru_cache(4096)
def parse_address(text: str) -> Address | None:
    """Understand an address as proxies write it, with a port or without; None where it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None  # means something on one machine only
        return address.ipv4_mapped or address
    return address


@lru_cache(4096)
def rate_limit_key(client: str) -> str:
    """Return what limits count a client by: its address, of IPv6 its network."""
    if ":" in client:
        return str(ip_network((client, IPV6_PREFIX), strict=False))
    return client
