"""The metrics of this process, for Prometheus, on the internal port.

All metrics are defined here; docs/reference/metrics.md explains them. Events are counted in
module-level objects on a registry of our own. State (the pool, the dependencies) is stored nowhere:
it is read at each scrape (`StateCollector`).

Labels have few values and none that a client chooses: route templates, never paths.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

from bookstore_api.db.pool import PoolState
from bookstore_api.telemetry.request_state import ABANDONED, METHODS, route_of

# The edges at 50, 100, 250 and 500 ms measure the objectives in docs/reference/metrics.md exactly;
# the others show how far off an answer is, up to what clients wait for at most.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OTHER_METHOD = "other"  # there are dozens, and a client chooses which
ERROR_TYPES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    412: "precondition_failed",
    413: "content_too_large",
    415: "unsupported_media_type",
    422: "validation",
    429: "rate_limited",
    ABANDONED: "client_left",
    500: "internal",
    503: "unavailable",
}

# Prometheus sees by itself when a series began: to export it takes another series for each.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)

_requests = Counter(
    "bookstore_http_requests_total",
    "Requests to the public port that ended, by what was answered.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
_durations = Histogram(
    "bookstore_http_request_duration_seconds",
    "From a request's first byte in the application to the end of its answer.",
    ["method", "route"],
    buckets=DURATION_BUCKETS,
    registry=REGISTRY,
)
_errors = Counter(
    "bookstore_errors_total",
    "Answers that were problems, by kind, and answers that broke off (internal).",
    ["type"],
    registry=REGISTRY,
)
OPEN_CONNECTIONS = Gauge(
    "bookstore_http_connections_open",
    "Connections of clients to the public port that are open, idle ones too.",
    registry=REGISTRY,
)
REJECTED_REQUESTS = Counter(
    "bookstore_http_rejected_total",
    "Requests that the server rejected before any app saw them, by reason.",
    ["reason"],
    registry=REGISTRY,
)
RATE_LIMIT_REJECTIONS = Counter(
    "bookstore_rate_limit_rejections_total",
    "Requests rejected because their client had too many.",
    ["scope"],
    registry=REGISTRY,
)
RATE_LIMIT_FALLBACKS = Counter(
    "bookstore_rate_limit_fallbacks_total",
    "Writes that were counted in this process alone, because Redis was unavailable.",
    registry=REGISTRY,
)
STAFF_ATTEMPTS = Counter(
    "bookstore_staff_attempts_total",
    "Requests that had to show the staff token, by how that went.",
    ["outcome"],
    registry=REGISTRY,
)
_authentications = Counter(
    "bookstore_authentications_total",
    "Attempts to authenticate, by what was shown and how that went.",
    ["credential", "outcome"],
    registry=REGISTRY,
)
_mails = Counter(
    "bookstore_mails_total",
    "Mails of the outbox that ended or were tried, by kind and how that went.",
    ["kind", "outcome"],
    registry=REGISTRY,
)

_cached = Counter(
    "bookstore_response_cache_requests_total",
    "Reads that may be answered from the cache, by where their answer was from.",
    ["outcome"],
    registry=REGISTRY,
)

# `labels()` checks and locks, which takes as long as all the rest: each child is looked up once.
_ended: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
_failed: dict[str, Counter] = {}
_authenticated: dict[tuple[str, str], Counter] = {}
_by_outcome: dict[str, Counter] = {}


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that ended; `method` as a client sent it, `route` a template."""
    key = (method if method in METHODS else OTHER_METHOD, route, status)
    children = _ended.get(key)
    if children is None:
        children = _requests.labels(*key), _durations.labels(*key[:2])
        _ended[key] = children
    children[0].inc()
    children[1].observe(seconds)


def error_type(status: int) -> str:
    """Name the kind of problem that a status of 400 or more stands for."""
    return ERROR_TYPES.get(status) or ("internal" if status >= 500 else "other")


def count_error(kind: str) -> None:
    """Count a problem of a kind, one of ours."""
    child = _failed.get(kind)
    if child is None:
        child = _failed[kind] = _errors.labels(kind)
    child.inc()


def count_authentication(credential: str, outcome: str) -> None:
    """Count an attempt with a kind of credential; both are words of ours."""
    child = _authenticated.get((credential, outcome))
    if child is None:
        child = _authenticated[credential, outcome] = _authentications.labels(credential, outcome)
    child.inc()


def count_cached(outcome: str) -> None:
    """Count a read that may be answered from the cache; `outcome` is a word of ours."""
    child = _by_outcome.get(outcome)
    if child is None:
        child = _by_outcome[outcome] = _cached.labels(outcome)
    child.inc()


def count_mail(kind: str, outcome: str) -> None:
    """Count a mail that was tried; both are words of ours."""
    _mails.labels(kind, outcome).inc()


class RequestsInProgress(Collector):
    """The requests that have begun and not ended, by route: looked at only when asked for.

    A request's route is known no sooner than it reached its route, so nothing is counted up or
    down: whoever handles a request keeps it in `scopes` meanwhile, by its `id()`.
    """

    def __init__(self) -> None:
        self.scopes: dict[int, Scope] = {}
        self._seen: set[tuple[str, str]] = set()

    def describe(self) -> Iterable[Metric]:
        """Name the metric."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """Count the requests by method and route; 0 where there were some before."""
        counts = dict.fromkeys(self._seen, 0)
        for scope in list(self.scopes.values()):
            method = scope["method"]
            key = (method if method in METHODS else OTHER_METHOD, route_of(scope))
            counts[key] = counts.get(key, 0) + 1
        self._seen.update(counts)
        family = self._family()
        for key, count in counts.items():
            family.add_metric(key, count)
        return [family]

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "bookstore_http_requests_in_progress",
            "Requests to the public port that have begun and not ended.",
            labels=["method", "route"],
        )


IN_PROGRESS = RequestsInProgress()
REGISTRY.register(IN_PROGRESS)


@dataclass(frozen=True)
class DependencyState:
    """What the latest check of a dependency found; times in seconds."""

    name: str
    state: str
    latency: float | None
    age: float


@dataclass(frozen=True)
class RedisState:
    """Whether Redis answered, and whether nobody asks it for a moment because it did not."""

    up: bool
    breaker_open: bool


@dataclass(frozen=True)
class ProcessState:
    """All that is read from the process when it is scraped; `redis` is None where none is set."""

    version: str
    revision: str
    color: str
    ready: bool
    states: Sequence[str]
    dependencies: Sequence[DependencyState]
    pool: PoolState
    redis: RedisState | None


class StateCollector(Collector):
    """All metrics of the internal port: the counted ones, and one state of the process."""

    def __init__(self, state: ProcessState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the process."""
        yield from REGISTRY.collect()
        yield from _identity(self._state)
        yield from _health(self._state)
        yield from _redis(self._state.redis)
        yield from _pool(self._state.pool)


def _identity(state: ProcessState) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "bookstore_build_info",
        "Always 1; its labels are the version of the code, the release's revision and its color.",
        labels=["version", "revision", "color"],
    )
    family.add_metric([state.version, state.revision, state.color], 1)
    yield family


def _health(state: ProcessState) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "bookstore_ready", "1 while users may be sent here, as /readyz says.", value=state.ready
    )
    states = GaugeMetricFamily(
        "bookstore_dependency_state",
        "1 for the state that a dependency is in, 0 for the others, as /health says.",
        labels=["dependency", "state"],
    )
    latency = GaugeMetricFamily(
        "bookstore_dependency_latency_seconds",
        "How long the dependency took to answer the latest check.",
        labels=["dependency"],
    )
    age = GaugeMetricFamily(
        "bookstore_dependency_check_age_seconds",
        "How long ago that check began.",
        labels=["dependency"],
    )
    for dependency in state.dependencies:
        for name in state.states:
            states.add_metric([dependency.name, name], dependency.state == name)
        if dependency.latency is not None:
            latency.add_metric([dependency.name], dependency.latency)
        age.add_metric([dependency.name], dependency.age)
    yield from (states, latency, age)


def _redis(redis: RedisState | None) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "bookstore_redis_up", "1 while Redis answers; absent where none is set.", labels=[]
    )
    breaker = GaugeMetricFamily(
        "bookstore_redis_breaker_open",
        "1 while nobody waits for Redis, because it failed a moment ago; absent where none is set.",
        labels=[],
    )
    if redis is not None:
        up.add_metric([], redis.up)
        breaker.add_metric([], redis.breaker_open)
    yield from (up, breaker)


def _pool(pool: PoolState) -> Iterator[Metric]:
    for name, help_, value in (
        ("size", "Connections that requests may have at most.", pool.size),
        ("open", "Connections that are open, in use or not.", pool.open),
        ("checked_out", "Connections in use.", pool.checked_out),
        ("overflow", "Connections open beyond the size.", pool.overflow),
        ("waiting", "Requests that wait for a connection at this moment.", pool.waiting),
    ):
        yield GaugeMetricFamily(f"bookstore_database_pool_{name}", help_, value=value)
    for name, help_, value in (
        ("waits", "Times that a request had to wait for a connection.", pool.waits),
        ("timeouts", "Waits for a connection that timed out.", pool.timeouts),
    ):
        yield CounterMetricFamily(f"bookstore_database_pool_{name}", help_, value=value)
