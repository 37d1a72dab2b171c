"""Take the measurements that Plans ask for, in the background.

Everything is bounded, for a Pod can answer anything, at any length, or never: the time of a
measurement, the size of an answer, the number of measurements at the same time.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import ResolveResult

from bookstore_operator import __version__
from bookstore_operator.core.addresses import refuse_address, refuse_url
from bookstore_operator.core.contract import INTERNAL_PORT, METRICS_PATH, VERSION_PATH
from bookstore_operator.core.exposition import UnreadablePageError, read_page
from bookstore_operator.core.loaded_keys import UnreadableVersionError, read_version
from bookstore_operator.core.measurements import (
    NONE,
    POLL_SECONDS,
    KeyScrape,
    LoadedKeys,
    Measurement,
    Measurements,
    PodScrape,
    PrometheusQuery,
    Reading,
    Result,
    Unreadable,
)
from bookstore_operator.core.prometheus import UnreadableAnswerError, read_answer
from bookstore_operator.crd.text import fit
from bookstore_operator.kube.object_cache import StoreKey

logger = logging.getLogger(__name__)

MAX_BYTES = 4 * 1024 * 1024
MAX_AT_ONCE = 50
_TIMEOUT = aiohttp.ClientTimeout(total=4, sock_connect=2)
"""A scrape can take 2 s: the API checks its dependencies for it (docs/reference/metrics.md)."""
_HEADERS = {
    "User-Agent": f"bookstore-operator/{__version__}",
    # What is compressed could be any size when it is not.
    "Accept-Encoding": "identity",
}
_CAUSE_LENGTH = 300
_LONGEST_SECONDS = 10.0
_SHORTEST_PAUSE = 0.5


class _MeasureError(Exception):
    """A measurement failed; the message is its cause."""


class _RefusedError(OSError):
    """A name has an address that is not connected to."""


class _Resolver(aiohttp.ThreadedResolver):
    """Resolves names, but to no forbidden address: it is the one that is connected to."""

    def __init__(self, allowed: Collection[str]) -> None:
        super().__init__()
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        for result in () if self._allowed else found:
            if refused := refuse_address(result["host"]):
                raise _RefusedError(refused)
        return found


class Client:
    """Takes single measurements over HTTP."""

    def __init__(
        self,
        proxy: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        prometheus_hosts: Collection[str] = (),
    ) -> None:
        """Connect to nothing yet.

        Args:
            proxy: the URL of an HTTP proxy that reaches Pods and Services.
            now: the clock.
            prometheus_hosts: the hosts that may be asked; empty: all, but at no forbidden address.

        """
        self._proxy = proxy
        self._prometheus_hosts = prometheus_hosts
        self._now = now
        self._session: aiohttp.ClientSession | None = None
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def __aenter__(self) -> Self:
        # Each scrape has a connection of its own, so that several processes in a Pod are noticed.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                force_close=True,
                limit=MAX_AT_ONCE,
                # A proxy resolves names by itself, and may be on this machine.
                resolver=None if self._proxy else _Resolver(self._prometheus_hosts),
            ),
            timeout=_TIMEOUT,
            headers=_HEADERS,
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def take(self, measurement: Measurement) -> Result:
        """Return the result of a measurement. Raises nothing."""
        try:
            async with self._turns, asyncio.timeout(_LONGEST_SECONDS):
                match measurement:
                    case PodScrape():
                        return await self._scrape(measurement)
                    case KeyScrape():
                        return await self._read_keys(measurement)
                    case PrometheusQuery():
                        return await self._query(measurement)
        except (
            _MeasureError,
            UnreadablePageError,
            UnreadableVersionError,
            UnreadableAnswerError,
        ) as error:
            return Unreadable(self._now(), fit(str(error), _CAUSE_LENGTH))
        except TimeoutError as error:
            return Unreadable(self._now(), _cause(error))
        except Exception as error:  # what a server answers must not end the operator
            logger.exception("Unhandled exception while measuring")
            return Unreadable(self._now(), f"the operator failed ({type(error).__name__})")

    async def _scrape(self, scrape: PodScrape) -> Reading:
        url = _internal_url(scrape.address, METRICS_PATH)
        readings = []
        for _ in range(scrape.times):
            status, page = await self._get(url, {"Accept": "text/plain;version=0.0.4"})
            if status != 200:
                raise _MeasureError(f"{METRICS_PATH} answers with status {status}")
            readings.append(read_page(page, scrape.slow_seconds, self._now()))
        if len({reading.process for reading in readings}) > 1:
            raise _MeasureError(
                "several processes answer in turn, each with its own metrics: an image must run "
                "one process a Pod"
            )
        return readings[-1]

    async def _read_keys(self, scrape: KeyScrape) -> LoadedKeys:
        url = _internal_url(scrape.address, VERSION_PATH)
        status, answer = await self._get(url, {"Accept": "application/json"})
        if status != 200:
            raise _MeasureError(f"{VERSION_PATH} answers with status {status}")
        return read_version(answer, self._now())

    async def _query(self, query: PrometheusQuery) -> Result:
        if refused := refuse_url(query.url, self._prometheus_hosts):
            raise _MeasureError(refused)
        url = f"{query.url.rstrip('/')}/api/v1/query"
        status, answer = await self._get(url, {"Accept": "application/json"}, query.query)
        return read_answer(status, answer, self._now())

    async def _get(
        self, url: str, headers: dict[str, str], query: str | None = None
    ) -> tuple[int, str]:
        """Return an answer's status and its body. Raises _MeasureError."""
        assert self._session is not None, "used outside of its context"  # noqa: S101
        try:
            async with self._session.get(
                url,
                headers=headers,
                params=None if query is None else {"query": query},
                proxy=self._proxy,
                allow_redirects=False,
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(65536):
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise _MeasureError(f"the answer has more than {MAX_BYTES} bytes")
                return response.status, body.decode("utf-8", "replace")
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise _MeasureError(_cause(error)) from error


def _internal_url(address: str, path: str) -> str:
    """Return a URL of a Pod's internal port. Raises _MeasureError."""
    if not address:
        raise _MeasureError("it has no IP address yet")
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{INTERNAL_PORT}{path}"


def _cause(error: Exception) -> str:
    """Return why there was no answer, with what it usually means."""
    if isinstance(refused := getattr(error, "os_error", error), _RefusedError):
        return str(refused)
    if isinstance(error, TimeoutError):
        return "it does not answer in time: a NetworkPolicy may drop the operator's packets"
    if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return f"its name can't be resolved ({error})"
    number = getattr(error, "errno", None)
    if number == errno.ECONNREFUSED:
        return "the connection is refused: nothing listens there, or a policy rejects the operator"
    if number in {errno.ECONNRESET, errno.EPIPE} or isinstance(
        error, aiohttp.ServerDisconnectedError
    ):
        return (
            "the connection is closed without an answer: a service mesh with strict mTLS rejects "
            "connections from outside of the mesh"
        )
    return f"{type(error).__name__}: {error}"


@dataclass(slots=True)
class _Subscription:
    """The measurements that the last Plan of a BookStore has asked for."""

    wanted: frozenset[Measurement]
    results: dict[Measurement, Result] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Measurer:
    """Repeats the measurements that the last Plan of each BookStore has asked for."""

    def __init__(
        self,
        client: Client,
        notify: Callable[[StoreKey], None],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`notify` is called with a BookStore when there are new results for it."""
        self._client = client
        self._notify = notify
        self._poll_seconds = poll_seconds
        self._subscriptions: dict[StoreKey, _Subscription] = {}

    def results(self, key: StoreKey) -> Measurements:
        """Return the newest results of a BookStore's measurements."""
        subscription = self._subscriptions.get(key)
        return dict(subscription.results) if subscription else NONE

    def request(self, key: StoreKey, wanted: Iterable[Measurement]) -> None:
        """Take these measurements from now on, and no others; none ends them."""
        measurements = frozenset(wanted)
        current = self._subscriptions.get(key)
        if not measurements:
            if self._subscriptions.pop(key, None) and current and current.task:
                current.task.cancel()
        elif current is None:
            current = self._subscriptions[key] = _Subscription(measurements)
            current.task = asyncio.create_task(self._repeat(key, current), name=f"measure {key}")
        elif current.wanted != measurements:
            current.wanted = measurements
            for gone in current.results.keys() - measurements:
                del current.results[gone]
            current.changed.set()

    async def _repeat(self, key: StoreKey, subscription: _Subscription) -> None:
        loop = asyncio.get_running_loop()
        while True:
            subscription.changed.clear()
            begin = loop.time()
            # At once what was not measured yet; the others keep their rhythm.
            missing = subscription.wanted - subscription.results.keys()
            await self._take(subscription, missing or subscription.wanted)
            self._notify(key)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(
                    max(begin + self._poll_seconds, loop.time() + _SHORTEST_PAUSE)
                ):
                    await subscription.changed.wait()

    async def _take(self, subscription: _Subscription, due: Collection[Measurement]) -> None:
        async def take(measurement: Measurement) -> None:
            result = await self._client.take(measurement)
            if measurement in subscription.wanted:
                subscription.results[measurement] = result

        await asyncio.gather(*map(take, due))
