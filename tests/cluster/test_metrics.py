"""The metrics of a real operator, over a release and the end of its BookStore."""

import urllib.request
from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bookstore_operator.telemetry.catalog import METRICS
from tests.cluster.conftest import Shop
from tests.cluster.test_releases import result
from tests.support.kube import wait_for

pytestmark = pytest.mark.cluster

BACKUP = {"schedule": "0 3 1 1 *"}


def page_of(shop: Shop) -> str:
    """Return the page that Prometheus would get."""
    port = shop.operator.logged("Serving health probes on port")[0]["event"].rpartition(" ")[2]
    with urllib.request.urlopen(
        f"http://127.0.0.1:{port.rstrip('.')}/metrics", timeout=10
    ) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return str(answer.read().decode())


def values(page: str, name: str) -> Mapping[tuple[str, ...], float]:
    """Return the values of a series by its labels' values, sorted."""
    return {
        tuple(sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name
    }


def test_a_release_and_its_bookstore_are_measured_until_they_are_gone(operated: Shop) -> None:
    operated.apply(replicas=2, backup=BACKUP)
    operated.ready()
    wait_for(lambda: result(operated, "demo-r1") == "Succeeded", 30, "the release to end")
    page, store = page_of(operated), (operated.namespace, "demo")
    kinds = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    assert kinds == METRICS.keys() | {kind for kind in kinds if kind.startswith("process_")}
    labels = tuple(sorted((*store, "Ready", "True", "Serving")))
    assert values(page, "bookstore_condition")[labels] == 1
    for outcome in ("Promoted", "Succeeded"):
        counted = tuple(sorted((*store, outcome)))
        assert values(page, "bookstore_releases_total")[counted] == 1
    assert values(page, "bookstore_ready_replicas") == {tuple(sorted(store)): 2}
    stages = {name for (name,) in values(page, "bookstore_release_stage_duration_seconds_count")}
    assert {"Expand", "Start"} <= stages
    requests = values(page, "bookstore_operator_api_requests_total")
    assert sum(count for (code, _), count in requests.items() if code.startswith("2")) > 20
    assert values(page, "bookstore_operator_queue_wait_seconds_count")[()] > 3
    operated.delete("demo")
    wait_for(lambda: '"demo"' not in page_of(operated), 30, "the series of demo to end")
