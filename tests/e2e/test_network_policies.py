"""Who can open a connection to what, on a cluster that enforces network policies.

Each probe is a connection from a real Pod to the address of a real Pod. At the end the policies are
switched off: the same probes then connect, so it is the policies that have dropped them.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from demo.deploy import Cluster, build_image, cluster_up, install_operator, load_images
from demo.kubectl import Kubectl
from devcluster import kindcluster
from tests.e2e.conftest import dump
from tests.e2e.test_bookstore import STORE, bookstore, release
from tests.support import kube
from tests.support.kube import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.nightly, pytest.mark.timeout(1200)]

NAME = "bookstore-policies"
PUBLIC, INTERNAL, POSTGRES, VALKEY = 8000, 8001, 5432, 6379
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}
OPEN, DROPPED = "open", "dropped"
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
except TimeoutError:
    print("dropped")
else:
    print("open")
"""


@dataclass(frozen=True)
class Prober:
    """A Pod from which connections are opened."""

    kubectl: Kubectl
    pod: str

    def connect(self, address: str, port: int) -> str:
        """Return whether a connection is open or dropped. Raises KubectlError if refused."""
        command = ("python", "-c", CONNECT, address, str(port))
        return self.kubectl("exec", self.pod, "--", *command).strip()


@dataclass(frozen=True)
class Shop:
    """A BookStore whose policies are enforced, and the Pods that try to reach it."""

    cluster: Cluster
    kubectl: Kubectl
    image: str
    neighbor: Prober
    """A Pod in the same namespace that is not part of the BookStore."""
    stranger: Prober
    """A Pod in another namespace."""
    prometheus: Prober
    """A Pod that spec.networkPolicy.monitoring selects."""

    @property
    def operator(self) -> Prober:
        return Prober(self.cluster.kubectl("bookstore-system"), "deployment/bookstore-operator")

    @property
    def api(self) -> Prober:
        """The API of this BookStore."""
        return Prober(self.kubectl, self._pods("api")[0]["metadata"]["name"])

    def address(self, component: str) -> str:
        """Return the address of a Pod of a component."""
        return str(self._pods(component)[0]["status"]["podIP"])

    def _pods(self, component: str) -> list[dict[str, Any]]:
        chosen = f"bookstore.dev/store={STORE},app.kubernetes.io/component={component}"
        return self.kubectl.list("pods", chosen)


def wanted(image: str, *, enabled: bool = True) -> dict[str, Any]:
    """Return a BookStore with all that has a policy; its release is watched by its metrics."""
    scrapers = {"namespaceLabels": {"kubernetes.io/metadata.name": "watchers"}}
    store = bookstore(
        image,
        replicas=1,
        cache={"embedded": {}},
        rollout={"watch": {"seconds": 5}, "scaleDownDelaySeconds": 0},
        networkPolicy={"enabled": enabled, "monitoring": {**scrapers, "podLabels": PROMETHEUS}},
    )
    store["spec"]["service"] = {}
    return store


def start(kubectl: Kubectl, image: str, name: str, **labels: str) -> Prober:
    """Start a Pod of the API's image that does nothing, and wait until it runs."""
    container = {
        "name": "sleep",
        "image": image,
        "command": ["python", "-c", "import time; time.sleep(36000)"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "securityContext": {
                    "runAsNonRoot": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [container],
            },
        }
    )
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    return Prober(kubectl, name)


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """Yield a BookStore on a cluster of its own that enforces network policies."""
    try:
        cluster = cluster_up(NAME, network_policies=True)
        image = build_image(cluster, "api")
        operator, backup = build_image(cluster, "operator"), build_image(cluster, "backup")
        load_images(cluster, [image, operator, backup, *cluster.server_images])
        install_operator(cluster, operator, backup)
        kubectl, elsewhere, watchers = map(cluster.kubectl, ("shop", "elsewhere", "watchers"))
        for namespace in ("shop", "elsewhere", "watchers"):
            kubectl.apply(kube.namespace(namespace))
        release(kubectl, wanted(image))
        yield Shop(
            *(cluster, kubectl, image),
            neighbor=start(kubectl, image, "neighbor"),
            stranger=start(elsewhere, image, "stranger", **PROMETHEUS),
            prometheus=start(watchers, image, "prometheus", **PROMETHEUS),
        )
    finally:
        if not os.environ.get("KEEP"):
            kindcluster.down(NAME)


def test_network_policies_let_in_whom_they_should_and_nobody_else(shop: Shop) -> None:
    try:
        others_reach_the_public_port_only(shop)
        its_own_api_reaches_database_and_cache(shop)
        those_who_watch_reach_the_internal_port_and_no_data(shop)
        without_policies_the_same_connections_are_open(shop)
    except BaseException:
        print(dump(shop.cluster, shop.kubectl))
        raise


def others_reach_the_public_port_only(shop: Shop) -> None:
    """The stranger has Prometheus' labels, but is in another namespace than it."""
    for prober in (shop.neighbor, shop.stranger):
        assert prober.connect(shop.address("api"), PUBLIC) == OPEN
        assert prober.connect(shop.address("api"), INTERNAL) == DROPPED
        assert prober.connect(shop.address("database"), POSTGRES) == DROPPED
        assert prober.connect(shop.address("cache"), VALKEY) == DROPPED


def its_own_api_reaches_database_and_cache(shop: Shop) -> None:
    assert shop.api.connect(shop.address("database"), POSTGRES) == OPEN
    assert shop.api.connect(shop.address("cache"), VALKEY) == OPEN


def those_who_watch_reach_the_internal_port_and_no_data(shop: Shop) -> None:
    """The operator's watch has read the metrics, too: else the release would not be Ready."""
    for prober in (shop.prometheus, shop.operator):
        assert prober.connect(shop.address("api"), INTERNAL) == OPEN
        assert prober.connect(shop.address("database"), POSTGRES) == DROPPED
        assert prober.connect(shop.address("cache"), VALKEY) == DROPPED


def without_policies_the_same_connections_are_open(shop: Shop) -> None:
    shop.kubectl.apply(wanted(shop.image, enabled=False))

    def is_open() -> bool:
        return shop.stranger.connect(shop.address("database"), POSTGRES) == OPEN

    wait_for(is_open, 60, "the policies to be gone")
    assert shop.stranger.connect(shop.address("api"), INTERNAL) == OPEN
    assert shop.stranger.connect(shop.address("cache"), VALKEY) == OPEN
