"""CRDs that are deleted and installed again while the operator runs: it goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import (
    INSTALL,
    MESSAGES,
    READY_SECONDS,
    Cluster,
    Shop,
    image,
    install,
    own_control_plane,
    shop_in_namespace,
)
from tests.support.kube import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.nightly]

SECONDS = 60
STORES, RELEASES = "bookstores.bookstore.dev", "bookstorereleases.bookstore.dev"
SPEC: dict[str, Any] = {"deletionPolicy": "Retain", "backup": {"schedule": "@daily"}}


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Shop]:
    """Yield a namespace with an operator for all namespaces, on a control plane of its own."""
    with own_control_plane("crds", messages=MESSAGES) as plane:
        install(plane, tmp_path / "operator.kubeconfig")
        cluster = Cluster(plane, tmp_path / "operator.kubeconfig")
        with shop_in_namespace(cluster, tmp_path / "operator.log") as shop:
            shop.start("--no-leader-election", namespace=shop.namespace)
            yield shop


def crds() -> list[dict[str, Any]]:
    manifests = yaml.safe_load_all(INSTALL.read_text())
    return [m for m in manifests if m["kind"] == "CustomResourceDefinition"]


def unserved(shop: Shop, crd: str) -> None:
    shop.kubectl("delete", "crd", crd, "--timeout=60s")
    wait_for(lambda: shop.operator.logged(f"does not know {crd}"), SECONDS, "the loss to be logged")


def served_again(shop: Shop) -> None:
    before = len(shop.operator.logged("is served again"))
    shop.kubectl.apply(*crds())
    again = "the kinds to be served"
    wait_for(lambda: len(shop.operator.logged("is served again")) > before, SECONDS, again)


@pytest.mark.timeout(400)
def test_crds_deleted_and_installed_again_lose_no_data_and_no_user(alone: Shop) -> None:
    alone.apply(**SPEC)
    alone.ready()
    volume = alone.require("v1/persistentvolumeclaims", "data-demo-db-0")["metadata"]["uid"]
    secret = alone.require("v1/secrets", "demo-db")["metadata"]["uid"]

    unserved(alone, RELEASES)
    alone.reports("Ready", "CRDOutdated", RELEASES, "install the CRDs", status="False")
    assert alone.serving() == image("1")
    assert alone.replicas("demo-blue") == 2, "the record is gone, but not the Pods that serve"
    served_again(alone)
    alone.ready()
    assert alone.serving() == image("1")

    unserved(alone, STORES)
    gone = "what the BookStore owned to be deleted"
    wait_for(lambda: not alone.list("apps/v1/deployments"), READY_SECONDS, gone)
    served_again(alone)
    assert alone.operator.process.poll() is None
    alone.apply(**SPEC, image=image("2"))
    alone.ready(image=image("2"))
    assert alone.require("v1/persistentvolumeclaims", "data-demo-db-0")["metadata"]["uid"] == volume
    assert alone.require("v1/secrets", "demo-db")["metadata"]["uid"] == secret
