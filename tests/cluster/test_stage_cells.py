"""Cells of the table of stages and events (docs/reference/releases.md), on a real control plane.

The pure tests carry out every cell (tests/operator/test_stage_events.py); these are the ones that
depend most on what Kubernetes' own controllers do.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from kubectl_bookstore.errors import ExitCode
from tests.cluster.conftest import Shop, image
from tests.cluster.plugin import run
from tests.cluster.test_watch import ROLLOUT, ended, reach, release, revision, status
from tests.support.kube import condition, wait_for
from tests.support.pods_proxy import Simulation, answering

pytestmark = pytest.mark.cluster

MANUAL: dict[str, Any] = {**ROLLOUT, "promotion": "Manual", "watch": {"seconds": 0}}


@pytest.fixture
def pods(shop: Shop) -> Iterator[Simulation]:
    """Yield what answers for the Pods of a namespace with an operator, which serves revision 1."""
    simulation = Simulation(lambda: shop.list("v1/pods"))
    with answering(simulation) as url:
        shop.start("--no-leader-election", f"--pod-proxy={url}")
        shop.apply(replicas=2, rollout=ROLLOUT)
        shop.ready()
        yield simulation


def lose(shop: Shop, color: str) -> None:
    """Delete the Pods of a color; a quota keeps its ReplicaSet from creating others."""
    shop.limit(pods="0")
    selector = f"bookstore.dev/color={color},app.kubernetes.io/component=api"
    shop.kubectl("delete", "pods", "-l", selector, "--grace-period=0", "--force")
    wait_for(lambda: not shop.list("v1/pods", selector), 30, f"no {color} Pods")


@pytest.mark.usefixtures("pods")
def test_green_lost_in_watch_sends_users_back(shop: Shop) -> None:
    release(shop, rollout={**ROLLOUT, "watch": {"seconds": 120}})
    reach(shop, "Watch")
    wait_for(lambda: revision(shop) == "2", 30, "the switch")
    lose(shop, "green")
    wait_for(lambda: revision(shop) == "1", 30, "users to be sent back")
    shop.kubectl("delete", "quota", "few")
    assert ended(shop) == "RolledBack"
    shop.reports("Ready", "RolledBack")
    shop.reports("Available", "Serving")


@pytest.mark.usefixtures("pods")
def test_a_newer_spec_in_watch_is_released_after_it(shop: Shop) -> None:
    release(shop)
    reach(shop, "Watch")
    release(shop, image=image("3"))
    wait_for(lambda: status(shop, "demo-r3"), 90, "the newer release")
    assert status(shop)["watch"]["result"] == "Passed", "it was watched to its end"
    assert ended(shop, "demo-r3") == "Succeeded"
    assert revision(shop) == "3"


@pytest.mark.usefixtures("pods")
def test_blue_lost_before_the_promotion_ends_no_release(shop: Shop) -> None:
    release(shop, rollout=MANUAL)
    reach(shop, "Approve")
    lose(shop, "blue")
    shop.reports("Available", "NoPodAvailable")
    assert status(shop).get("result") is None
    approved = run(shop, "approve", "demo")
    assert approved.code == ExitCode.DONE, approved
    wait_for(lambda: revision(shop) == "2", 60, "the switch")
    shop.reports("Available", "Serving")
    shop.kubectl("delete", "quota", "few")
    assert ended(shop) == "Succeeded"


@pytest.mark.usefixtures("pods")
def test_a_size_that_changes_before_the_switch_is_the_size_after_it(
    shop: Shop,
) -> None:
    limits = {"minReplicas": 2, "maxReplicas": 10}
    shop.apply(autoscaling=limits, rollout=MANUAL)
    shop.ready()
    shop.apply(autoscaling=limits, rollout=MANUAL, image=image("2"))
    reach(shop, "Approve")
    shop.kubectl("scale", "deployment", "demo-blue", "--replicas=5")
    run(shop, "approve", "demo")
    wait_for(lambda: revision(shop) == "2", 90, "the switch")
    assert shop.replicas("demo-green") == 5
    (scaler,) = wait_for(
        lambda: shop.list("autoscaling/v2/horizontalpodautoscalers"), 30, "an autoscaler"
    )
    wait_for(
        lambda: (
            shop.require("autoscaling/v2/horizontalpodautoscalers", scaler["metadata"]["name"])[
                "spec"
            ]["scaleTargetRef"]["name"]
            == "demo-green"
        ),
        30,
        "the autoscaler to follow",
    )
    assert condition(shop.store(), "Available")["status"] == "True"
