"""An autoscaler with a real metrics server: load, a release under it, the end of the load."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from demo.kubectl import Kubectl
from demo.traffic import wait_until_answering
from tests.e2e.conftest import Installed
from tests.e2e.test_bookstore import STORE, bookstore, release
from tests.support.kube import condition, wait_for
from tests.support.quiet import reports

# Not beside other tests: its load takes every processor that there is.
pytestmark = [pytest.mark.e2e, pytest.mark.nightly, pytest.mark.timeout(1200)]

MOST = 4
SENDERS = 4
UP_SECONDS, DOWN_SECONDS = 240, 300


def autoscaled(image: str) -> dict[str, Any]:
    """Return a BookStore of two to four Pods, which any load makes busy."""
    limits = {"minReplicas": 2, "maxReplicas": MOST, "targetCpuPercent": 70}
    store = bookstore(
        image,
        autoscaling={**limits, "scaleDownStabilizationSeconds": 15},
        config={"rateLimits": {"reads": "off"}},
    )
    del store["spec"]["replicas"]
    return store


def target(kubectl: Kubectl) -> str:
    """Return the Deployment that the autoscaler has metrics of; empty while it has none."""
    autoscaler = kubectl.find("hpa", STORE) or {}
    if condition(autoscaler, "ScalingActive").get("status") != "True":
        return ""
    return str(autoscaler["spec"]["scaleTargetRef"]["name"])


def size(kubectl: Kubectl, color: str) -> int:
    deployment = kubectl.find("deployment", f"{STORE}-{color}")
    assert deployment is not None
    return int(deployment["spec"]["replicas"])


@contextmanager
def load(url: str) -> Iterator[None]:
    """Keep the Pods busy during the block."""
    stop = threading.Event()

    def send() -> None:
        with httpx.Client(timeout=30) as client:  # one that keeps its connection costs least
            while not stop.is_set():
                client.get(url)

    senders = [threading.Thread(target=send, daemon=True) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        stop.set()
        for sender in senders:
            sender.join()


def test_load_scales_up_a_release_keeps_the_size_and_rest_scales_down(
    installed: Installed, kubectl: Kubectl, url: str
) -> None:
    books = f"{url}/api/v1/books"
    release(kubectl, autoscaled(installed.first_image))
    wait_until_answering(books)
    wait_for(lambda: target(kubectl) == f"{STORE}-blue", 150, "the autoscaler to get metrics")
    uid = (kubectl.find("hpa", STORE) or {})["metadata"]["uid"]
    with load(books):
        wait_for(lambda: size(kubectl, "blue") == MOST, UP_SECONDS, "the load to scale it up")
        wait_for(
            lambda: condition(kubectl.find("bookstore", STORE), "Ready").get("status") == "True",
            120,
            "all of them to be available",
        )
        with reports(kubectl, STORE) as seen:
            release(kubectl, autoscaled(installed.second_image))
            assert size(kubectl, "green") == MOST, "it has the size of the color before it"
            wait_for(lambda: target(kubectl) == f"{STORE}-green", 150, "metrics of green")
            assert size(kubectl, "green") == MOST
            healthy = [status for status, _ in seen.transitions("AutoscalingHealthy")]
            assert healthy == ["True"], "the switch is no lack of metrics"
            assert seen.transitions("Available") == [("True", "Serving")]
    wait_for(lambda: size(kubectl, "green") == 2, DOWN_SECONDS, "the rest to scale it down")
    autoscaler = kubectl.find("hpa", STORE) or {}
    assert autoscaler["metadata"]["uid"] == uid, "one autoscaler for both colors"
    kubectl("delete", "bookstore", STORE, "--timeout=60s")
