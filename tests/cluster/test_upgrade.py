"""A newer operator takes over what the one before it runs: no Pod restarts, no release begins."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.cluster.conftest import (
    INSTALL,
    MESSAGES,
    QUICK,
    ROOT,
    Cluster,
    Shop,
    dump,
    image,
    install,
    own_control_plane,
    shop_in_namespace,
)
from tests.cluster.test_failures import end_migration
from tests.support import previous
from tests.support.kube import wait_for

pytestmark = pytest.mark.cluster

SPEC: dict[str, Any] = {
    "replicas": 2,
    "rollout": {"scaleDownDelaySeconds": 0, "progressDeadlineSeconds": 60},
    "scheduling": {"nodeSelector": {"kubernetes.io/os": "linux"}},
    "cache": {"embedded": {}},
    "backup": {"schedule": "0 3 1 1 *"},
}
AFTER: dict[str, Any] = {**SPEC, "rollout": {**QUICK, "progressDeadlineSeconds": 60}}
"""The same with fields that only this operator has; none of them starts a release."""
LATER = "addedLater"
WORKLOADS = ("apps/v1/deployments", "apps/v1/statefulsets")


class Versions(NamedTuple):
    """An earlier operator, and this one with one more field that has a default."""

    before: Path
    after: Path


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    before = previous.checkout(tmp_path_factory.mktemp("before")) / "operator"
    after = tmp_path_factory.mktemp("after")
    package = "bookstore_operator"
    shutil.copytree(ROOT / "operator" / package, after / package)
    model = after / package / "crd" / "spec" / "monitoring.py"
    field = (
        f'    {_snake(LATER)}: int = Field(7, ge=0, description="A default of a later version.")\n'
    )
    model.write_text(model.read_text() + field)  # at the end of class Monitoring
    return Versions(before, after)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


@pytest.fixture
def upgraded(versions: Versions, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Yield a namespace on a control plane of its own, with the CRDs of the earlier commit."""
    kubeconfig = tmp_path / "operator.kubeconfig"
    with own_control_plane("upgrade", messages=MESSAGES) as plane:
        install(plane, kubeconfig, versions.before.parent / "manifests" / "install.yaml")
        with shop_in_namespace(Cluster(plane, kubeconfig), tmp_path / "operator.log") as shop:
            failed_before = request.session.testsfailed
            yield shop
            if request.session.testsfailed > failed_before:
                print(dump(shop), shop.operator.log.read_text()[-20_000:])


def start_earlier(shop: Shop, versions: Versions) -> None:
    shop.start("--no-leader-election", code=versions.before, log="before.log")


def upgrade(shop: Shop, versions: Versions) -> None:
    """Replace CRDs, rights and operator, in the order of the documentation."""
    assert shop.operator.stop() == 0
    command = [sys.executable, "-m", "bookstore_operator", "crds"]
    environment = {**os.environ, "PYTHONPATH": str(versions.after)}
    crds = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    shop.kubectl.apply(*yaml.safe_load_all(crds))
    rights = yaml.safe_load_all(INSTALL.read_text())
    shop.kubectl.apply(*(m for m in rights if m["kind"] in {"ClusterRole", "ClusterRoleBinding"}))

    def is_filled_in() -> bool:
        store = shop.store()
        return store is not None and store["spec"]["monitoring"].get(LATER) == 7

    wait_for(is_filled_in, 30, "the API server to fill in the new default")
    shop.start(code=versions.after, log="after.log")


def pods(shop: Shop) -> dict[str, str]:
    """Return the UIDs of the Pods that are to run on, by name."""
    listed = shop.list("v1/pods", "bookstore.dev/store,!batch.kubernetes.io/job-name")
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in listed}


def templates(shop: Shop) -> dict[str, str]:
    """Return the hash of the Pod template of each ReplicaSet and StatefulSet."""
    sets = shop.list("apps/v1/replicasets")
    hashes = {s["metadata"]["name"]: s["metadata"]["labels"]["pod-template-hash"] for s in sets}
    servers = shop.list("apps/v1/statefulsets")
    return hashes | {s["metadata"]["name"]: s["status"]["updateRevision"] for s in servers}


def releases(shop: Shop) -> list[str]:
    return sorted(release["metadata"]["name"] for release in shop.list("bookstorereleases"))


def test_an_upgrade_of_the_operator_restarts_no_pod_and_starts_no_release(
    upgraded: Shop, versions: Versions
) -> None:
    shop = upgraded
    start_earlier(shop, versions)
    shop.apply(**SPEC)
    shop.ready()
    shop.apply(**SPEC, image=image("2"))  # so that there is an idle color, too
    shop.ready(image=image("2"))
    shop.reports("CacheHealthy", "CacheReady")
    wait_for(lambda: not shop.replicas("demo-blue"), 30, "the old color to be scaled down")
    wait_for(lambda: len(pods(shop)) == 4, 30, "its Pods to be gone")
    running, hashes, made = pods(shop), templates(shop), releases(shop)

    upgrade(shop, versions)
    # What the new operator does in place shows that it has taken over.
    shop.apply(**{**AFTER, "replicas": 3}, image=image("2"))
    wait_for(lambda: len(pods(shop)) == 5, 60, "a third Pod")
    shop.ready()
    assert running.items() <= pods(shop).items(), "every Pod is the one that it was"
    assert templates(shop) == hashes
    assert releases(shop) == made

    shop.apply(**AFTER, image=image("3"))
    shop.ready(image=image("3"))
    assert releases(shop) == [*made, "demo-r3"], "and it releases what is asked for"


def test_an_upgrade_in_the_middle_of_a_release_completes_it(
    upgraded: Shop, versions: Versions
) -> None:
    shop = upgraded
    start_earlier(shop, versions)
    shop.apply(**SPEC)
    shop.ready()
    running = pods(shop)
    shop.apply(**SPEC, image=image("2-job-hang"))
    wait_for(lambda: shop.list("v1/pods", "bookstore.dev/release=demo-r2"), 30, "a migration")
    upgrade(shop, versions)
    wait_for(lambda: shop.operator.logged("demo"), 30, "the new operator to have begun")
    assert running.items() <= pods(shop).items()
    shop.apply(**AFTER, image=image("2-job-hang"))
    end_migration(shop, "demo")
    shop.ready(image=image("2-job-hang"))
    assert releases(shop) == ["demo-r1", "demo-r2"]
