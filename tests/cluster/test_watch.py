"""A release is watched by its Pods' metrics, which a process answers for simulated Pods."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from kubectl_bookstore.errors import ExitCode
from tests.cluster.conftest import Shop, image
from tests.cluster.plugin import run
from tests.support.kube import condition, wait_for
from tests.support.pods_proxy import Simulation, answering

pytestmark = pytest.mark.cluster

ROLLOUT = {
    "scaleDownDelaySeconds": 0,
    "progressDeadlineSeconds": 120,
    "watch": {"seconds": 15},
    "rollbackWindowSeconds": 0,
}


@pytest.fixture
def pods(shop: Shop) -> Iterator[Simulation]:
    """Yield what answers for the Pods of a namespace with an operator, which serves revision 1."""
    simulation = Simulation(lambda: shop.list("v1/pods"))
    with answering(simulation) as url:
        shop.start("--no-leader-election", f"--pod-proxy={url}")
        shop.apply(replicas=2, rollout=ROLLOUT)
        shop.ready()
        yield simulation


def status(shop: Shop, name: str = "demo-r2") -> dict[str, Any]:
    found: dict[str, Any] = (shop.get("bookstorereleases", name) or {}).get("status") or {}
    return found


def revision(shop: Shop) -> str:
    selector = shop.require("v1/services", "demo")["spec"]["selector"]
    return str(selector["bookstore.dev/revision"])


def release(shop: Shop, **spec: Any) -> None:
    shop.apply(**{"replicas": 2, "rollout": ROLLOUT, "image": image("2"), **spec})


def reach(shop: Shop, stage: str) -> None:
    wait_for(lambda: status(shop).get("stage") == stage, 90, f"stage {stage}")


def ended(shop: Shop, name: str = "demo-r2") -> str:
    return str(
        wait_for(
            lambda: (
                status(shop, name).get("result") not in {None, "Promoted"}
                and status(shop, name)["result"]
            ),
            120,
            f"{name} to end",
        )
    )


def test_a_good_release_is_watched_and_a_bad_one_is_switched_back(
    shop: Shop, pods: Simulation
) -> None:
    release(shop)
    assert ended(shop) == "Succeeded"
    watch = status(shop)["watch"]
    assert watch["result"] == "Passed"
    assert watch["counts"]["requests"] > 100
    assert {"1", "2"} <= set(pods.asked)

    release(shop, image=image("3"))
    wait_for(lambda: status(shop, "demo-r3").get("stage") == "Watch", 90, "stage Watch")
    wait_for(lambda: revision(shop) == "3", 10, "the switch")
    pods.errors["3"] = 50.0
    broken = time.monotonic()
    wait_for(lambda: revision(shop) == "2", 30, "the switch back")
    seconds = time.monotonic() - broken
    print(f"switched back after {seconds:.1f} s")
    assert seconds <= 10, "from when the metrics show it"
    assert ended(shop, "demo-r3") == "RolledBack"
    shop.reports("Ready", "RolledBack", "maxErrorPercent is 5", "% of")
    assert condition(shop.store(), "Available")["status"] == "True"
    assert shop.serving() == image("2")


def test_silence_is_inconclusive_and_an_operator_killed_in_watch_goes_on(
    shop: Shop, pods: Simulation
) -> None:
    pods.per_second = 0.0
    release(shop)
    reach(shop, "Watch")
    arguments = [str(x) for x in shop.operator.process.args if str(x).startswith("--pod-proxy")]  # type: ignore[union-attr]
    shop.operator.kill()
    shop.start("--no-leader-election", *arguments)
    assert ended(shop) == "Succeeded"
    watch = status(shop)["watch"]
    assert watch["result"] == "Inconclusive"
    assert "fewer than spec.rollout.watch.minRequests" in watch["message"]
    assert revision(shop) == "2"


def test_a_release_that_is_held_in_silence_is_kept_by_an_approval(
    shop: Shop, pods: Simulation
) -> None:
    pods.per_second = 0.0
    watch = {"seconds": 5, "onInconclusive": "Hold"}
    release(shop, rollout={**ROLLOUT, "watch": watch})
    shop.reports("Ready", "WatchInconclusive", "kubectl bookstore approve demo")
    kept = run(shop, "approve", "demo")
    assert kept.code == ExitCode.DONE, kept
    assert ended(shop) == "Succeeded"
    assert revision(shop) == "2"


def test_a_release_whose_pods_can_not_be_read_reaches_no_user(shop: Shop) -> None:
    """The operator has no proxy: nothing answers at the addresses of simulated Pods."""
    shop.start()
    shop.apply(replicas=1, rollout={**ROLLOUT, "progressDeadlineSeconds": 20})
    shop.ready()
    release(shop, replicas=1, rollout={**ROLLOUT, "progressDeadlineSeconds": 20})
    assert ended(shop) == "Failed"
    message = status(shop)["message"]
    assert "The metrics of Pod demo-green" in message
    assert "spec.rollout.watch.prometheus" in message
    assert revision(shop) == "1"
    assert condition(shop.store(), "Available")["status"] == "True"
