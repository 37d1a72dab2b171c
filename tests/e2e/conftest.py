"""One kind cluster with the operator for the whole session; a namespace for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from demo.deploy import Cluster, build_image, cluster_up, install_operator, load_images
from demo.kubectl import Kubectl, KubectlError
from devcluster import kindcluster

NAME = "bookstore-e2e"


@dataclass(frozen=True)
class Installed:
    """A cluster with the operator on it, and two images of the same code to release."""

    cluster: Cluster
    first_image: str
    second_image: str


@pytest.fixture(scope="session")
def installed() -> Iterator[Installed]:
    """Bring up kind, build and load the images, install the operator; take it all down after."""
    cluster = cluster_up(NAME, metrics=True)
    try:
        images = [build_image(cluster, "api"), build_image(cluster, "api", build="second")]
        operator = build_image(cluster, "operator")
        load_images(cluster, [*images, operator, *cluster.server_images])
        install_operator(cluster, operator)
        yield Installed(cluster, *images)
    finally:
        if not os.environ.get("KEEP"):
            kindcluster.down(NAME)


@pytest.fixture
def kubectl(installed: Installed, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """Give a kubectl in a namespace of the test's own that enforces `restricted`."""
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    kubectl = installed.cluster.kubectl(namespace)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    )
    failed_before = request.session.testsfailed
    yield kubectl
    if request.session.testsfailed > failed_before:
        print(dump(installed.cluster, kubectl))
    if not os.environ.get("KEEP"):
        kubectl("delete", "namespace", namespace, "--wait=false")


def dump(cluster: Cluster, kubectl: Kubectl) -> str:
    """Give all that one needs to understand a failure in a namespace."""
    looks = [
        (kubectl, ["get", "bookstores,bookstorereleases", "-o", "yaml"]),
        (kubectl, ["get", "all,pvc,hpa,pdb,endpointslices", "-o", "wide"]),
        (kubectl, ["get", "events", "--sort-by=.metadata.creationTimestamp"]),
        (kubectl, ["describe", "pods"]),
        (kubectl, ["logs", "--prefix", "--tail=40", "-l", "bookstore.dev/store"]),
        (
            cluster.kubectl("bookstore-system"),
            ["logs", "--tail=200", "deployment/bookstore-operator"],
        ),
    ]
    told = []
    for run, arguments in looks:
        told.append(f"\n$ kubectl {' '.join(arguments)}")
        try:
            told.append(run(*arguments))
        except KubectlError as error:
            told.append(str(error))
    return "\n".join(told)
