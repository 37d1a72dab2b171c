"""Count what the operator does, and answer scrapes.

Counting costs a microsecond. What is known of the BookStores is read from the cache only when a
scrape asks for it, so that a visit costs nothing more and a deleted BookStore leaves no series.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

from bookstore_operator import __version__
from bookstore_operator.core import names
from bookstore_operator.core.kinds import AUTOSCALERS
from bookstore_operator.core.plan import Manifest
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey
from bookstore_operator.runtime.reconciler import Outcome
from bookstore_operator.telemetry import catalog
from bookstore_operator.telemetry.bookstores import Objects, Sample, exposition, samples
from bookstore_operator.telemetry.catalog import Metric
from bookstore_operator.telemetry.releases import progress

disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BATCH = 50
"""The BookStores that are read before the event loop may do something else."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What is measured at a scrape."""

    leads: Callable[[], bool] = lambda: False
    unavailable: Callable[[], int] = lambda: 0
    queue_depth: Callable[[], int] = lambda: 0
    workers_busy: Callable[[], int] = lambda: 0


class Metrics:
    """The operator's metrics. Nothing here raises because of what a BookStore holds."""

    def __init__(self, cache: ObjectCache, readings: Readings) -> None:
        self._cache = cache
        self._leads = readings.leads
        self._registry = CollectorRegistry()
        self._visits = self._counter(catalog.VISITS)
        self._visit_seconds = self._histogram(catalog.VISIT_SECONDS)
        self._queue_seconds = self._histogram(catalog.QUEUE_SECONDS)
        self._requests = self._counter(catalog.REQUESTS)
        self._request_seconds = self._histogram(catalog.REQUEST_SECONDS)
        self._stage_seconds = self._histogram(catalog.STAGE_SECONDS)
        self._releases = self._counter(catalog.RELEASES)
        self._list_changes = self._counter(catalog.LIST_CHANGES)
        self._last_list: Gauge | None = None
        self._gauge(catalog.BUILD_INFO).labels(__version__).set(1)
        self._gauge(catalog.LEADER).set_function(readings.leads)
        self._gauge(catalog.UNAVAILABLE).set_function(readings.unavailable)
        self._gauge(catalog.QUEUE_DEPTH).set_function(readings.queue_depth)
        self._gauge(catalog.WORKERS_BUSY).set_function(readings.workers_busy)
        ProcessCollector(registry=self._registry)

    def visited(self, key: StoreKey, result: Outcome, seconds: float) -> None:
        """Count a reconciliation; the series of a BookStore that is gone are dropped."""
        self._visits.labels(result).inc()
        self._visit_seconds.observe(seconds)
        if result is Outcome.GONE:
            of_store = {"namespace": key.namespace, "bookstore": key.name}
            self._releases.remove_by_labels(of_store)

    def waited(self, seconds: float) -> None:
        """Count that a worker has begun with a BookStore that was due for so long."""
        self._queue_seconds.observe(seconds)

    def answered(self, method: str, code: int, seconds: float) -> None:
        """Count a request to the API server; code 0: it had no answer."""
        self._requests.labels(method, code).inc()
        self._request_seconds.labels(method).observe(seconds)

    def listed(self, changes: int) -> None:
        """Record that everything was listed, which had news of so many BookStores."""
        if self._last_list is None:
            self._last_list = self._gauge(catalog.LAST_LIST)
        self._last_list.set(time.time())
        self._list_changes.inc(changes)

    def release_written(self, key: StoreKey, before: Manifest, after: Manifest) -> None:
        """Count the stage that a release has left, and its result."""
        stage, seconds, result = progress(before, after)
        if stage is not None:
            self._stage_seconds.labels(stage).observe(seconds)
        if result is not None:
            self._releases.labels(key.namespace, key.name, result).inc()

    async def page(self) -> bytes:
        """Return all metrics in Prometheus' text format; the BookStores' from the leader only."""
        own = generate_latest(self._registry)
        if not self._leads():
            return own
        found: list[tuple[str, str, list[Sample]]] = []
        for count, key in enumerate(self._cache.stores(), start=1):
            if (objects := self._objects(key)) is not None:
                found.append((key.namespace, key.name, list(samples(objects))))
            if count % _BATCH == 0:
                await asyncio.sleep(0)
        return own + exposition(found).encode()

    def _objects(self, key: StoreKey) -> Objects | None:
        store = self._cache.bookstore(key)
        if store is None:  # deleted a moment ago
            return None
        autoscaler = self._cache.get(key.namespace, AUTOSCALERS.ref(names.service(key.name)))
        return Objects(store, self._cache.records(key), autoscaler)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name,
            metric.meaning,
            metric.labels,
            registry=self._registry,
            buckets=metric.buckets,
        )
