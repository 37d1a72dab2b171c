"""How often a client may ask: reads counted in this process, writes in all of them together."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, NamedTuple
from zlib import crc32

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.cache.client import RedisClient, RedisUnavailableError
from bookstore_api.cache.counters import Counters
from bookstore_api.kit.problems import problem_response
from bookstore_api.settings import Settings
from bookstore_api.telemetry.metrics import RATE_LIMIT_FALLBACKS, RATE_LIMIT_REJECTIONS
from bookstore_api.telemetry.request_state import READS, request_state
from bookstore_api.web.client_address import rate_limit_key
from bookstore_api.web.middleware.answer_headers import add_headers

SECONDS = {"second": 1, "minute": 60, "hour": 3600}
# More clients than this in a window share counters, so that nobody can fill the memory.
MAX_CLIENTS = 100_000
SHARED_COUNTERS = 1024
# Counters in Redis outlive their window by this much: clocks differ.
MARGIN_SECONDS = 10

Kind = Literal["reads", "writes"]
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Limit:
    """So many requests in so many seconds, of one client."""

    kind: Kind
    requests: int
    seconds: int


def parse_limit(kind: Kind, text: str) -> Limit | None:
    """`600/minute` → a limit; `off` → None. The settings have checked the form."""
    if text == "off":
        return None
    requests, _, unit = text.partition("/")
    return Limit(kind, int(requests), SECONDS[unit])


class Decision(NamedTuple):
    """What became of a request; `reset` is in how many seconds the count begins again."""

    allowed: bool
    remaining: int
    reset: int


class LocalCounter:
    """Counts in this process, in windows that begin when it does.

    The storage in memory that `limits` has looks at every client on every request.
    """

    def __init__(self, limit: Limit, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._ends = clock() + limit.seconds
        self._counts: dict[str | int, int] = {}

    @property
    def clients(self) -> int:
        """How many counters there are."""
        return len(self._counts)

    def hit(self, client: str) -> Decision:
        """Count a request."""
        now = self._clock()
        if now >= self._ends:
            self._counts = {}
            self._ends += self._limit.seconds * (1 + (now - self._ends) // self._limit.seconds)
        counts = self._counts
        has_counter = client in counts or len(counts) < MAX_CLIENTS
        key = client if has_counter else hash(client) % SHARED_COUNTERS
        count = counts[key] = counts.get(key, 0) + 1
        return _decide(self._limit, count, self._ends - now)


class SharedCounter:
    """Counts in Redis, exactly, for all processes; in this one while Redis is away.

    Each client has windows of its own, so that not all who wait come back at once.
    """

    def __init__(
        self, limit: Limit, redis: RedisClient, clock: Callable[[], float] = time.time
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._local = LocalCounter(limit)
        self._counters = Counters(redis)

    async def hit(self, client: str) -> Decision:
        """Count a request; counted here as well, so that Redis leaves no new quota behind."""
        local = self._local.hit(client)
        seconds = self._limit.seconds
        window, elapsed = divmod(self._clock() + crc32(client.encode()) % seconds, seconds)
        key = f"{self._limit.kind}/{seconds}/{client}/{window:.0f}"
        try:
            count = await self._counters.increment(key, seconds + MARGIN_SECONDS)
        except RedisUnavailableError:
            RATE_LIMIT_FALLBACKS.inc()
            return local
        return _decide(self._limit, count, seconds - elapsed)


def _decide(limit: Limit, count: int, seconds_left: float) -> Decision:
    return Decision(
        count <= limit.requests, max(limit.requests - count, 0), math.ceil(seconds_left)
    )


class RateLimits:
    """The limits of one process."""

    def __init__(self, settings: Settings, redis: RedisClient | None) -> None:
        reads = parse_limit("reads", settings.rate_limit_reads)
        writes = parse_limit("writes", settings.rate_limit_writes)
        self.reads = _Bucket(reads, LocalCounter(reads)) if reads else None
        self.writes: _Bucket | None = None
        if writes:
            counter = SharedCounter(writes, redis) if redis else LocalCounter(writes)
            self.writes = _Bucket(writes, counter)

    @property
    def off(self) -> bool:
        """Whether there are none."""
        return self.reads is None and self.writes is None


class _Bucket:
    """A limit, its counter, and the headers that report it."""

    def __init__(self, limit: Limit, counter: LocalCounter | SharedCounter) -> None:
        self._counter = counter
        self._name = limit.kind
        policy = f'"{limit.kind}";q={limit.requests};w={limit.seconds}'
        self._policy = (b"ratelimit-policy", policy.encode())
        self._rejections = RATE_LIMIT_REJECTIONS.labels(limit.kind)

    async def hit(self, client: str) -> Decision:
        """Count a request."""
        counter = self._counter
        decision = (
            counter.hit(client) if isinstance(counter, LocalCounter) else await counter.hit(client)
        )
        if not decision.allowed:
            self._rejections.inc()
        return decision

    def headers(self, decision: Decision) -> Headers:
        """Tell the client where it is (draft-ietf-httpapi-ratelimit-headers)."""
        now = f'"{self._name}";r={decision.remaining};t={decision.reset}'
        return [self._policy, (b"ratelimit", now.encode())]


class RateLimitMiddleware:
    """Answers 429 to a client that asks too often, and tells each how much is left."""

    def __init__(self, app: ASGIApp, limits: RateLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counted = self._limits.reads if scope["method"] in READS else self._limits.writes
        if counted is None:
            await self._app(scope, receive, send)
            return
        decision = await counted.hit(rate_limit_key(request_state(scope).client))
        headers = counted.headers(decision)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(message, *headers)
            await send(message)

        if decision.allowed:
            await self._app(scope, receive, send_with_headers)
            return
        problem = problem_response(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many requests: wait as long as Retry-After says.",
            headers={"Retry-After": str(decision.reset)},
        )
        await problem(scope, receive, send_with_headers)
