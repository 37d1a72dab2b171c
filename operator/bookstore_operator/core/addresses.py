"""Which URLs the operator requests for whoever may edit a BookStore (server-side request forgery).

The operator reaches what such a person may not: the metadata service of a cloud, which gives out
the node's credentials, or its own ports.
"""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

_METADATA = frozenset({ip_address("fd00:ec2::254"), ip_address("100.100.100.200")})
"""Metadata services at addresses that are not link-local: Amazon's by IPv6, Alibaba's."""
ADVICE = "name its host in the operator's --prometheus-hosts if that is meant"


def refuse_url(url: str, allowed: Collection[str]) -> str:
    """Return why a URL is not requested, as part of a sentence; empty if it may be.

    Args:
        url: what a BookStore names.
        allowed: the hosts that may be asked; empty: all, but none at a forbidden address.

    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return "its URL can't be read"
    if parts.scheme not in {"http", "https"} or not host:
        return "its URL is none of http or https"
    if "@" in parts.netloc:
        return "its URL has credentials: a BookStore is no Secret"
    if allowed:
        hosts = {name.lower() for name in allowed}
        return "" if host in hosts else f"host {host} is none of the operator's --prometheus-hosts"
    return refuse_address(host)


def refuse_address(text: str) -> str:
    """Return why an IP address is not connected to; empty if it may be, or is no address."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    if _is_forbidden(address):
        return f"it is at {address}, which is an address of the node or of the operator: {ADVICE}"
    return ""


def _is_forbidden(address: IPv4Address | IPv6Address) -> bool:
    special = address.is_link_local or address.is_loopback or address.is_unspecified
    return special or address.is_multicast or address in _METADATA
