"""Open a listening socket, of both families of addresses where there are both."""

import errno
import socket

EVERYWHERE = "::"
"""All addresses of the machine, of IPv4 and of IPv6 where it has IPv6."""
_EVERYWHERE_IPV4 = "0.0.0.0"  # noqa: S104 - asked for by the setting
_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """Return a listening socket; port 0 takes any free one.

    Linux may restrict a socket of `::` to IPv6, by /proc/sys/net/ipv6/bindv6only, so both families
    are asked for.

    Raises:
        OSError: the address or the port can't be had.

    """
    if host == EVERYWHERE:
        try:
            return _everywhere(port, backlog)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
            host = _EVERYWHERE_IPV4
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=backlog)


def _everywhere(port: int, backlog: int) -> socket.socket:
    if not socket.has_dualstack_ipv6():
        return socket.create_server((_EVERYWHERE_IPV4, port), backlog=backlog)
    return socket.create_server(
        (EVERYWHERE, port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True
    )
