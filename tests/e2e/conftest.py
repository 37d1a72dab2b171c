"""One kind cluster with the operator for the whole session; a namespace for each test."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from demo.deploy import Cluster, build_image, cluster_up, install_operator, load_images
from demo.kubectl import Kubectl
from devcluster import kindcluster
from tests.support import kube
from tests.support.kube import wait_for
from tests.support.kubeproxy import ProxiedKubectl, kube_proxy
from tests.support.shared import folder_of_the_run, shared

NAME = "bookstore-e2e"
# Each worker has a node port of its own, so its tests wait for no other's.
MORE_PORTS = 5
NODE_PORT = kindcluster.NODE_PORT + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


@dataclass(frozen=True)
class Installed:
    """A cluster with the operator on it, and two images of the same code to release."""

    cluster: Cluster
    proxy: httpx.Client
    first_image: str
    second_image: str


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Installed]:
    """Bring up kind, build and load the images, install the operator; once for all workers."""
    folder = folder_of_the_run(tmp_path_factory, worker_id)
    with shared(NAME, folder, install, take_down) as images:
        cluster = Cluster.of(kindcluster.get(NAME))
        with kube_proxy(cluster.environment) as proxy:
            yield Installed(cluster, proxy, *images)


def install() -> list[str]:
    """Bring the cluster up with the operator; return the names of the two images to release."""
    try:
        cluster = cluster_up(NAME, metrics=True, more_ports=MORE_PORTS)
        images = [build_image(cluster, "api"), build_image(cluster, "api", build="second")]
        operator, backup = build_image(cluster, "operator"), build_image(cluster, "backup")
        load_images(cluster, [*images, operator, backup, *cluster.server_images])
        install_operator(cluster, operator, backup)
    except BaseException:
        take_down()
        raise
    return images


def take_down() -> None:
    """Take the cluster down, unless it is to be kept."""
    if not os.environ.get("KEEP"):
        kindcluster.down(NAME)


@pytest.fixture
def kubectl(installed: Installed, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """Yield a kubectl in a namespace of the test's own that enforces `restricted`."""
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    kubectl = ProxiedKubectl(installed.cluster.environment, namespace, proxy=installed.proxy)
    kubectl.apply(kube.namespace(namespace))
    failed_before = request.session.testsfailed
    yield kubectl
    if request.session.testsfailed > failed_before:
        print(dump(installed.cluster, kubectl))
    if not os.environ.get("KEEP"):
        kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def url(installed: Installed) -> str:
    """Return the URL of the worker's node port, once the test before has freed it."""

    def is_taken() -> bool:
        services = installed.proxy.get("/api/v1/services").raise_for_status().json()["items"]
        ports = [port for service in services for port in service["spec"].get("ports", [])]
        return NODE_PORT in {port.get("nodePort") for port in ports}

    wait_for(lambda: not is_taken(), 120, "the node port to be free")
    assert installed.cluster.kind is not None
    return installed.cluster.kind.node_port_url(NODE_PORT)


def dump(cluster: Cluster, kubectl: Kubectl) -> str:
    """Return what explains a failure in a namespace."""
    commands = [
        ["get", "bookstores,bookstorereleases", "-o", "yaml"],
        ["get", "all,pvc,hpa,pdb,endpointslices", "-o", "wide"],
        ["get", "events", "--sort-by=.metadata.creationTimestamp"],
        ["describe", "pods"],
        ["logs", "--prefix", "--tail=40", "-l", "bookstore.dev/store"],
    ]
    log = ["logs", "--tail=200", "deployment/bookstore-operator"]
    in_system = (cluster.kubectl("bookstore-system"), log)
    return kube.dump([*((kubectl, arguments) for arguments in commands), in_system])
