"""Which of several hosts, and which of a name's addresses, a connection is made to.

asyncpg tries one after the other, and gives the first all the time there is: a host that answers
nothing would hide those after it for ever. Here each has its share.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from bookstore_api.uris.conninfo import Host

T = TypeVar("T")
# A host that did not answer is asked after the others for this long: health checks, which have less
# time, would else never get to them.
SUSPECT_SECONDS = 30.0
PREFER_STANDBY = "prefer-standby"
# https://www.postgresql.org/docs/current/libpq-connect.html: of what it prefers, then of any.
_ROUNDS = {PREFER_STANDBY: ("standby", "any")}

Connect = Callable[[Host, str], Awaitable[T]]
"""Connects to a host, if that has the session attributes."""


class Hosts:
    """Remembers which hosts did not answer. One for all connections of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._suspect_until: dict[Host, float] = {}

    async def connect(
        self, hosts: Sequence[Host], attributes: str, seconds: float, connect: Connect[T]
    ) -> T:
        """Connect to the first host that answers and is what `attributes` ask for.

        Raises what the last of them raised, a TimeoutError after `seconds`.
        """
        deadline = self._clock() + seconds
        attempts = [
            (host, wanted)
            for wanted in _ROUNDS.get(attributes, (attributes,))
            for host in sorted(hosts, key=self._is_suspect)
        ]
        failure: Exception | None = None
        for left, (host, wanted) in zip(range(len(attempts), 0, -1), attempts, strict=True):
            try:
                async with asyncio.timeout((deadline - self._clock()) / left):
                    return await self._watched(host, connect(host, wanted))
            except (
                OSError,  # TimeoutError is one
                asyncpg.CannotConnectNowError,
                asyncpg.TargetServerAttributeNotMatched,
            ) as error:
                failure = error
        assert failure is not None  # noqa: S101 - there is at least one host
        raise failure

    async def _watched(self, host: Host, connecting: Awaitable[T]) -> T:
        """Note a host that did not answer in the time there was, whoever's that was."""
        try:
            connection = await connecting
        except asyncio.CancelledError:
            self._suspect_until[host] = self._clock() + SUSPECT_SECONDS
            raise
        self._suspect_until.pop(host, None)
        return connection

    def _is_suspect(self, host: Host) -> bool:
        return self._clock() < self._suspect_until.get(host, 0.0)


class PatientLoop:
    """An event loop that gives each address of a name its share of the time to connect.

    A name has several where it is that of several servers, or has IPv4 and IPv6. The loop's own way
    is to wait for the first until the caller gives up.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(
        self, factory: Any, host: str, port: int, **options: Any
    ) -> tuple[Any, Any]:
        """Connect to the first address that accepts; all other arguments are the loop's."""
        if "ssl" in options:
            options.setdefault("server_hostname", host)
        connected = await self._connect_first(host, port)
        try:
            return await self._loop.create_connection(factory, sock=connected, **options)
        except BaseException:
            connected.close()
            raise

    async def _connect_first(self, host: str, port: int) -> socket.socket:
        deadline = self._loop.time() + self._seconds
        addresses = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failure: OSError | None = None
        for left, (family, kind, protocol, _, address) in zip(
            range(len(addresses), 0, -1), addresses, strict=True
        ):
            candidate = socket.socket(family, kind, protocol)
            try:
                candidate.setblocking(False)
                candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with asyncio.timeout((deadline - self._loop.time()) / left):
                    await self._loop.sock_connect(candidate, address)
            except OSError as error:  # TimeoutError is one
                candidate.close()
                failure = error
            except BaseException:
                candidate.close()
                raise
            else:
                return candidate
        assert failure is not None  # noqa: S101 - a name that is known has an address
        raise failure
