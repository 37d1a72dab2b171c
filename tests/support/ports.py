"""Ports for servers that can't be given a socket, or that start again on the port they had."""

import random
import socket

_RANGE = range(20_000, 30_000)
"""Below those that systems choose for outgoing connections, and Kubernetes for its nodes."""
_TRIES = 50


def free_port() -> int:
    """Return a port on 127.0.0.1 that is free, and that no connection is given meanwhile.

    A port that the system chooses (port 0) may be that of another test's connection as soon as
    nobody listens on it: before the server does, or while it is stopped.
    """
    for port in random.sample(_RANGE, _TRIES):
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:  # somebody listens there
            continue
    msg = f"no free port from {_RANGE.start} to {_RANGE.stop - 1} in {_TRIES} tries"
    raise RuntimeError(msg)
