"""Sizes through releases on a real control plane; a person plays the autoscaler's metrics."""

from typing import Any

import pytest

from tests.cluster.conftest import Shop, image
from tests.cluster.test_failures import make_pods_ready
from tests.cluster.test_releases import color_of, other
from tests.support.kube import wait_for

pytestmark = pytest.mark.cluster

SECONDS = 60
LIMITS: dict[str, Any] = {"minReplicas": 2, "maxReplicas": 10}
AUTOSCALERS = "autoscaling/v2/horizontalpodautoscalers"


def autoscale(shop: Shop, replicas: int) -> None:
    """Set the size of the active color as the autoscaler does, through /scale."""
    shop.kubectl("scale", "deployment", f"demo-{color_of(shop)}", f"--replicas={replicas}")


def wait_for_pods(shop: Shop, color: str, count: int) -> None:
    """Wait until a color has so many Pods, none of which is about to end."""
    selector = f"bookstore.dev/color={color},app.kubernetes.io/component=api"
    wait_for(lambda: len(shop.list("v1/pods", selector)) == count, SECONDS, f"{count} {color} Pods")


def releases(shop: Shop) -> int:
    return len(shop.list("bookstorereleases"))


def test_size_and_image_changed_at_once_are_one_release(operated: Shop) -> None:
    operated.apply(replicas=2)
    operated.ready()
    operated.apply(replicas=5, image=image("2"))
    operated.ready(image=image("2"))
    assert operated.replicas(f"demo-{color_of(operated)}") == 5
    assert releases(operated) == 2


def test_green_follows_a_size_that_changes_while_it_starts(operated: Shop) -> None:
    operated.apply(autoscaling=LIMITS)
    operated.ready()
    autoscale(operated, 4)
    slow = image("2-pod-pending")
    operated.apply(autoscaling=LIMITS, image=slow)
    green = f"demo-{other(color_of(operated))}"
    wait_for(lambda: operated.replicas(green) == 4, SECONDS, "green to have the live size")
    autoscale(operated, 3)
    wait_for(lambda: operated.replicas(green) == 3, SECONDS, "green to follow")
    wait_for_pods(operated, "green", 3)
    make_pods_ready(operated, "demo")
    operated.ready(image=slow)
    assert operated.replicas(green) == 3


def test_autoscaling_is_added_and_removed_in_mid_release(operated: Shop) -> None:
    operated.apply(replicas=3)
    operated.ready()
    pending = image("2-pod-pending")
    operated.apply(replicas=3, image=pending)
    green = f"demo-{other(color_of(operated))}"
    wait_for(lambda: operated.replicas(green) == 3, SECONDS, "green to start")
    operated.apply(autoscaling=LIMITS, image=pending)
    (scaler,) = wait_for(lambda: operated.list(AUTOSCALERS), SECONDS, "an autoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == f"demo-{color_of(operated)}"
    assert scaler["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300
    autoscale(operated, 4)
    wait_for(lambda: operated.replicas(green) == 4, SECONDS, "green to follow the autoscaler")

    operated.apply(replicas=2, image=pending)
    wait_for(lambda: not operated.list(AUTOSCALERS), SECONDS, "the autoscaler to be deleted")
    wait_for(lambda: operated.replicas(green) == 2, SECONDS, "green to have the spec's size")
    wait_for_pods(operated, "green", 2)
    make_pods_ready(operated, "demo")
    operated.ready(image=pending)
    assert operated.replicas(green) == 2
    assert releases(operated) == 2
