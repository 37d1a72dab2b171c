"""A cluster with IPv6 only: Services, Pods, and what the operator reads from Pods."""

import os
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest

from devcluster import controlplane
from devcluster.errors import DevclusterError
from tests.cluster.conftest import MESSAGES, Cluster, Shop, image, install, shop_in_namespace
from tests.cluster.test_watch import ROLLOUT
from tests.support.kube import wait_for
from tests.support.pods_proxy import Simulation, answering

pytestmark = [pytest.mark.cluster, pytest.mark.nightly]


@pytest.fixture
def single_family(tmp_path: Path) -> Iterator[Shop]:
    """Yield a namespace on a control plane of its own that has no IPv4 but its own sockets."""
    try:
        running = controlplane.running(f"ipv6-{os.getpid()}", messages=MESSAGES, ipv6=True)
        plane = running.__enter__()
    except DevclusterError as error:
        pytest.skip(f"no control plane: {error}")
    try:
        install(plane, tmp_path / "operator.kubeconfig")
        cluster = Cluster(plane, tmp_path / "operator.kubeconfig")
        with shop_in_namespace(cluster, tmp_path / "operator.log") as shop:
            yield shop
    finally:
        running.__exit__(None, None, None)


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
