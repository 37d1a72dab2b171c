"""What the operator counts, and what a scrape gets."""

import asyncio
import time
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bookstore_operator.kube.object_cache import ObjectCache, StoreKey
from bookstore_operator.runtime.metrics import Metrics, Readings
from bookstore_operator.runtime.reconciler import Outcome
from bookstore_operator.runtime.workqueue import WorkQueue
from bookstore_operator.telemetry.catalog import METRICS, OPERATOR_METRICS, STORE_METRICS

pytestmark = pytest.mark.scenario

KEY = StoreKey("shop", "demo")
FIRST, NEXT = "2026-01-01T00:00:00Z", "2026-01-01T00:00:07Z"


def bookstore(name: str = "demo") -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True", "reason": "Serving"}
    return {
        "apiVersion": "bookstore.dev/v1alpha1",
        "kind": "BookStore",
        "metadata": {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1"},
        "spec": {},
        "status": {"conditions": [ready], "replicas": 1},
    }


def cache_of(*stores: dict[str, Any]) -> ObjectCache:
    cache = ObjectCache()
    for store in stores:
        cache.put(store)
    return cache


def scrape(metrics: Metrics) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the values by series and sorted label values, without those of the process."""
    page = asyncio.run(metrics.page()).decode()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if not sample.name.startswith("process_"):
                labels = tuple(sorted(sample.labels.values()))
                found.setdefault(sample.name, {})[labels] = sample.value
    return found


def exercised(metrics: Metrics) -> Metrics:
    """Count one of each."""
    metrics.visited(KEY, Outcome.CHANGED, 0.03)
    metrics.waited(0.2)
    metrics.answered("PATCH", 409, 0.01)
    metrics.listed(2)
    before = {"stage": "Expand", "stageStartedAt": FIRST}
    after = {"stage": "Start", "stageStartedAt": NEXT, "result": "Failed"}
    metrics.release_written(KEY, before, after)
    return metrics


def leading(cache: ObjectCache) -> Metrics:
    return exercised(Metrics(cache, Readings(leads=lambda: True, queue_depth=lambda: 3)))


def test_what_was_counted_is_on_the_page() -> None:
    page = scrape(leading(cache_of(bookstore())))
    assert page["bookstore_operator_reconcile_total"] == {("changed",): 1}
    assert page["bookstore_operator_reconcile_duration_seconds_sum"] == {(): 0.03}
    assert page["bookstore_operator_queue_wait_seconds_count"] == {(): 1}
    assert page["bookstore_operator_queue_depth"] == {(): 3}
    assert page["bookstore_operator_api_requests_total"] == {("409", "PATCH"): 1}
    assert page["bookstore_operator_leader"] == {(): 1}
    assert page["bookstore_operator_list_changes_total"] == {(): 2}
    assert page["bookstore_release_stage_duration_seconds_sum"] == {("Expand",): 7}
    assert page["bookstore_releases_total"] == {("Failed", "demo", "shop"): 1}
    assert page["bookstore_condition"] == {("Ready", "Serving", "True", "demo", "shop"): 1}
    listed = page["bookstore_operator_last_list_timestamp_seconds"][()]
    assert 0 <= time.time() - listed < 60


def test_all_of_the_page_is_in_the_catalog_and_the_catalog_on_the_page() -> None:
    text = asyncio.run(leading(cache_of(bookstore())).page()).decode()
    families = {
        line.split()[2]: line.split()[3]
        for line in text.splitlines()
        if line.startswith("# TYPE") and not line.split()[2].startswith("process_")
    }
    assert families == {name: metric.kind.value for name, metric in METRICS.items()}
    labels = {
        (family.name, label)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for label in sample.labels
        if label != "le" and not family.name.startswith("process_")
    }
    expected = {
        (metric.name.removesuffix("_total"), label)
        for metric in OPERATOR_METRICS
        for label in metric.labels
    }
    stores = {metric.name for metric in STORE_METRICS}
    assert {pair for pair in labels if pair[0] not in stores} == expected


def test_nothing_is_left_of_a_bookstore_that_is_gone() -> None:
    metrics = leading(cache_of())
    metrics.visited(KEY, Outcome.GONE, 0.001)
    page = asyncio.run(metrics.page()).decode()
    assert '"demo"' not in page
    metrics.visited(KEY, Outcome.GONE, 0.001)  # twice


def test_a_standby_reports_no_bookstore() -> None:
    page = scrape(Metrics(cache_of(bookstore()), Readings()))
    assert page["bookstore_operator_leader"] == {(): 0}
    assert "bookstore_condition" not in page
    assert "bookstore_operator_last_list_timestamp_seconds" not in page


def test_a_scrape_of_many_bookstores_lets_others_run() -> None:
    metrics = leading(cache_of(*(bookstore(f"demo-{number}") for number in range(200))))

    async def scenario() -> int:
        turns = 0
        scraping = asyncio.create_task(metrics.page())
        while not scraping.done():
            turns += 1
            await asyncio.sleep(0)
        assert (await scraping).decode().count("bookstore_condition{") == 200
        return turns

    assert asyncio.run(scenario()) >= 4


def test_a_queue_knows_its_depth_and_how_long_keys_wait() -> None:
    waits: list[float] = []

    async def scenario() -> tuple[int, int, int]:
        queue: WorkQueue[str] = WorkQueue()
        queue.on_get = waits.append
        for key, after in (("a", 0.0), ("b", 0.0), ("c", 60.0)):
            queue.add(key, after=after)
        waiting = queue.depth()
        await queue.get()
        queue.add("a", after=0.0)
        return waiting, queue.depth(), queue.processing()

    assert asyncio.run(scenario()) == (2, 1, 1)
    assert len(waits) == 1
    assert waits[0] >= 0
