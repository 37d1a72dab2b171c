"""A cluster with IPv6 only: Services, Pods, and what the operator reads from Pods."""

from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import (
    MESSAGES,
    Cluster,
    Shop,
    image,
    install,
    own_control_plane,
    shop_in_namespace,
)
from tests.cluster.test_watch import ROLLOUT
from tests.support.kube import wait_for
from tests.support.pods_proxy import Simulation, answering

pytestmark = [pytest.mark.cluster, pytest.mark.nightly]


@pytest.fixture
def single_family(tmp_path: Path) -> Iterator[Shop]:
    """Yield a namespace on a control plane of its own that has no IPv4 but its own sockets."""
    with own_control_plane("ipv6", messages=MESSAGES, ipv6=True) as plane:
        install(plane, tmp_path / "operator.kubeconfig")
        cluster = Cluster(plane, tmp_path / "operator.kubeconfig")
        with shop_in_namespace(cluster, tmp_path / "operator.log") as shop:
            yield shop


@pytest.mark.timeout(300)
def test_releases_are_watched_on_a_cluster_with_ipv6_only(single_family: Shop) -> None:
    shop = single_family
    simulation = Simulation(lambda: shop.list("v1/pods"))
    more: dict[str, Any] = {
        "cache": {"embedded": {}},
        "backup": {"schedule": "@daily"},
        "rollout": ROLLOUT,
    }
    with answering(simulation) as url:
        shop.start("--no-leader-election", f"--pod-proxy={url}")
        shop.apply(**more)
        shop.ready()
        shop.apply(**more, image=image("2"))
        shop.ready(image=image("2"))
        wait_for(lambda: result(shop) == "Succeeded", 60, "the release to end")
    assert {"1", "2"} <= set(simulation.asked), "by the Pods' addresses, in brackets"
    assert all(IPv6Address(pod["status"]["podIP"]) for pod in shop.list("v1/pods"))
    families = [service["spec"]["ipFamilies"] for service in shop.list("v1/services")]
    assert families == [["IPv6"]] * 4


def result(shop: Shop) -> str:
    return str(shop.require("bookstorereleases", "demo-r2")["status"].get("result"))
