"""Many BookStores at rest: for a minute the operator writes nothing, nor when it starts again."""

import time
from typing import Any

import pytest

from tests.cluster.conftest import Shop, bookstore
from tests.support.examples import scaled
from tests.support.faulty import Proxy
from tests.support.kube import condition, holds, wait_for

pytestmark = pytest.mark.cluster

STORES = min(scaled(20), 50)
REST_SECONDS = 60.0
DATABASE = {"external": {"secretName": "database", "key": "uri"}}


@pytest.mark.invariant
@pytest.mark.timeout(600)
def test_bookstores_at_rest_get_no_writes(shop: Shop, proxy: Proxy) -> None:
    kubeconfig = proxy.kubeconfig(
        shop.cluster.operator_kubeconfig, shop.log.with_name("proxy.kubeconfig")
    )
    began = time.monotonic()
    shop.kubectl.apply(secret(), *(a_store(number) for number in range(STORES)))
    shop.start(kubeconfig=kubeconfig)
    wait_for(lambda: all_ready(shop), 240, "the BookStores to be Ready")
    print(f"{STORES} BookStores Ready after {time.monotonic() - began:.1f} s")
    wait_for(lambda: all_reported(shop), 90, "the autoscalers' lack of metrics to be reported")
    wait_for(lambda: proxy.quiet_for() > 5, 60, "the last write")
    written = len(proxy.writes())
    used = shop.operator.cpu_seconds()
    print(f"{written} writes, {shop.operator.memory_mib()} MiB, {used:.1f} s of CPU")

    # One write in this minute would restart it.
    wait_for(lambda: proxy.quiet_for() > REST_SECONDS, REST_SECONDS + 5, "a minute of rest")
    assert len(proxy.writes()) == written
    print(f"at rest {shop.operator.cpu_seconds() - used:.1f} s of CPU in a minute")

    assert shop.operator.stop() == 0
    restarted = time.monotonic()
    shop.start(kubeconfig=kubeconfig)
    # The first is a visit; from then on, Secrets are read again every 10 s.
    wait_for(lambda: visits(proxy, restarted) >= 2 * STORES, 120, "every BookStore to be visited")
    assert [f"{seen.method} {seen.path}" for seen in proxy.writes(restarted)] == []


def secret() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "database"},
        "stringData": {"uri": "postgresql://user:password@database:5432/books"},
    }


def a_store(number: int) -> dict[str, Any]:
    """Most with an external database; a few with all that a BookStore can own."""
    if number % 10:
        return bookstore(f"shop-{number}", replicas=1, database=DATABASE)
    scaled = {"minReplicas": 1, "maxReplicas": 3}
    more = {"backup": {"schedule": "0 3 1 1 *"}, "cache": {"embedded": {}}}
    return bookstore(f"shop-{number}", autoscaling=scaled, **more)


def all_ready(shop: Shop) -> bool:
    stores = shop.list("bookstores", "")
    return len([store for store in stores if holds(store, "Ready")]) == STORES


def all_reported(shop: Shop) -> bool:
    """An autoscaler without metrics is reported after a minute: that is the last write."""
    conditions = [condition(store, "AutoscalingHealthy") for store in shop.list("bookstores", "")]
    return all(condition and condition["reason"] != "WaitingForMetrics" for condition in conditions)


def visits(proxy: Proxy, since: float) -> int:
    """A visit reads the staff token's Secret."""
    return len([seen for seen in list(proxy.seen) if _visits(seen.path) and seen.at > since])


def _visits(path: str) -> bool:
    return "/secrets/" in path and path.endswith("-staff")
