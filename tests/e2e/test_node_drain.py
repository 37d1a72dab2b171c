"""A node is drained in the middle of a switch, on a cluster of two nodes: no request fails."""

import os
from collections.abc import Iterator

import pytest

from demo.deploy import Cluster, build_image, cluster_up, install_operator, load_images
from demo.kubectl import Kubectl
from demo.traffic import wait_until_answering
from devcluster import kindcluster
from tests.e2e.conftest import dump
from tests.e2e.test_bookstore import BOOK, OTHER_BOOK, STORE, bookstore, release, staff
from tests.e2e.test_zero_downtime import UNLIMITED, create
from tests.support import kube
from tests.support.clients import clients
from tests.support.kube import holds, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.nightly, pytest.mark.timeout(1800)]

NAME = "bookstore-drain"
API = f"bookstore.dev/store={STORE},app.kubernetes.io/component=api"
WORKER = f"{NAME}-worker"
TAINT = "node-role.kubernetes.io/control-plane:NoSchedule-"


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[tuple[Cluster, list[str]]]:
    """Yield a cluster of two nodes with the operator, and two images to release.

    All that is created first is on the first node: the second one is cordoned.
    """
    try:
        cluster = cluster_up(NAME, workers=1)
        kubectl = cluster.kubectl()
        kubectl("taint", "nodes", f"{NAME}-control-plane", TAINT)
        kubectl("cordon", WORKER)
        images = [build_image(cluster, "api"), build_image(cluster, "api", build="second")]
        operator, backup = build_image(cluster, "operator"), build_image(cluster, "backup")
        load_images(cluster, [*images, operator, backup, *cluster.server_images])
        install_operator(cluster, operator, backup)
        yield cluster, images
    finally:
        if not os.environ.get("KEEP"):
            kindcluster.down(NAME)


def nodes_of(kubectl: Kubectl, color: str) -> set[str]:
    pods = kubectl.list("pod", f"{API},bookstore.dev/color={color}")
    return {str(pod["spec"].get("nodeName")) for pod in pods}


def is_promoted(kubectl: Kubectl) -> bool:
    manifest = kubectl.find("bookstorerelease", f"{STORE}-r2") or {}
    return bool((manifest.get("status") or {}).get("promotedAt"))


@pytest.mark.invariant
def test_no_request_fails_when_a_node_is_drained_in_a_switch(
    two_nodes: tuple[Cluster, list[str]],
) -> None:
    cluster, images = two_nodes
    kubectl = cluster.kubectl("shop")
    kubectl.apply(kube.namespace("shop"))
    try:
        drain_in_a_switch(cluster, kubectl, images)
    except BaseException:
        print(dump(cluster, kubectl))
        raise


def drain_in_a_switch(cluster: Cluster, kubectl: Kubectl, images: list[str]) -> None:
    def wanted(image: str, replicas: int) -> dict[str, object]:
        store = bookstore(image, replicas=replicas, **UNLIMITED)
        store["spec"]["service"]["nodePort"] = kindcluster.NODE_PORT
        return store

    books = f"{cluster.url}/api/v1/books"
    release(kubectl, wanted(images[0], 2))
    kubectl("uncordon", WORKER)
    release(kubectl, wanted(images[0], 4))
    wait_for(lambda: holds(kubectl.find("bookstore", STORE), "Ready"), 120, "four Pods")
    wait_until_answering(books)
    headers = staff(kubectl)
    written = create(books, headers, BOOK), create(books, headers, OTHER_BOOK)
    with clients(books, written, headers) as sending:
        kubectl.apply(wanted(images[1], 4))
        wait_for(lambda: is_promoted(kubectl), 300, "the switch")
        assert WORKER in nodes_of(kubectl, "green"), "there is something to drain"
        options = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s")
        kubectl("drain", WORKER, *options, timeout=310)
        release(kubectl, wanted(images[1], 4))
        wait_for(lambda: WORKER not in nodes_of(kubectl, "green"), 60, "all on the other node")
    print(f"a node drained in a switch: {sending.sent}")
    assert sending.failures == {}
    assert min(sending.sent.values()) > 50
