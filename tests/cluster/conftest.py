"""A control plane with simulated Pods for all workers; a namespace and operator for each test."""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.kubectl import Kubectl, KubectlError
from devcluster import controlplane
from devcluster.errors import DevclusterError
from devcluster.locking import locked
from devcluster.processes import Process
from devcluster.stages import Messages
from tests.support import faulty, operators
from tests.support.kube import holds, wait_for
from tests.support.log_lines import validated
from tests.support.operators import Operator

ROOT = Path(__file__).parents[2]
SYSTEM = "bookstore-system"
ACCOUNT = "bookstore-operator"
READY_SECONDS = 60.0

MIGRATED = {
    "command": "migrate",
    "code": "migrated",
    "message": "Applied 1 revision: 0001_books.",
    "schemaBefore": [],
    "schemaAfter": ["0001_books"],
}
NOT_MIGRATED = {
    **MIGRATED,
    "code": "failed",
    "message": "Revision 0002_boom could not be applied.",
    "schemaAfter": [],
}
MESSAGES = [Messages("migrate", json.dumps(MIGRATED), json.dumps(NOT_MIGRATED))]


@dataclass(frozen=True)
class Cluster:
    """A control plane with the operator's CRDs and rights."""

    plane: controlplane.ControlPlane
    operator_kubeconfig: Path
    """Its user is the operator's ServiceAccount."""

    def kubectl(self, namespace: str) -> Kubectl:
        """Return an administrator's kubectl."""
        path = f"{self.plane.kubectl.parent}{os.pathsep}{os.environ['PATH']}"
        return Kubectl({"KUBECONFIG": str(self.plane.kubeconfig), "PATH": path}, namespace)


@dataclass
class Shop:
    """A namespace that enforces `restricted`, with an operator that watches it alone."""

    cluster: Cluster
    namespace: str
    log: Path
    running: list[Operator] = field(default_factory=list)

    @property
    def kubectl(self) -> Kubectl:
        """An administrator's kubectl in this namespace."""
        return self.cluster.kubectl(self.namespace)

    @property
    def operator(self) -> Operator:
        """The operator that was started last."""
        return self.running[-1]

    def start(
        self,
        *arguments: str,
        kubeconfig: Path | None = None,
        log: str = "",
        namespace: str = "",
    ) -> Operator:
        """Start an operator; `log` names its own log file."""
        chosen = arguments or ("--no-leader-election",)
        self.running.append(
            operators.start(
                kubeconfig or self.cluster.operator_kubeconfig,
                self.log.with_name(log) if log else self.log,
                f"--namespace={namespace or self.namespace}",
                *chosen,
            )
        )
        return self.operator

    def get(self, plural: str, name: str) -> dict[str, Any] | None:
        """Read an object: `apps/v1/deployments`, `v1/pods`, or one of bookstore.dev's."""
        return self.cluster.plane.client().find(f"{self._collection(plural)}/{name}")

    def list(self, plural: str, selector: str = "bookstore.dev/store") -> list[dict[str, Any]]:
        """Read the objects of a kind that belong to a BookStore."""
        query = f"?labelSelector={selector}" if selector else ""
        found = self.cluster.plane.client().find(self._collection(plural) + query)
        items: list[dict[str, Any]] = (found or {}).get("items", [])
        return items

    def store(self, name: str = "demo") -> dict[str, Any] | None:
        """Read a BookStore."""
        return self.get("bookstores", name)

    def apply(self, name: str = "demo", **spec: Any) -> None:
        """Apply a BookStore as a user does."""
        self.kubectl.apply(bookstore(name, **spec))

    def ready(self, name: str = "demo", image: str = "") -> dict[str, Any]:
        """Wait until a BookStore is Ready, with this image if one is given."""

        def is_so() -> dict[str, Any] | None:
            found = self.store(name)
            if not holds(found, "Ready") or found is None:
                return None
            active = found["status"].get("active") or {}
            return found if image in {"", active.get("image")} else None

        return wait_for(is_so, READY_SECONDS, f"{name} to be Ready {image}")

    def serving(self, name: str = "demo") -> str:
        """Return the image of the Pods that the Service selects."""
        service = self.get("v1/services", name)
        assert service is not None, f"no Service {name}"
        chosen = ",".join(f"{k}={v}" for k, v in service["spec"]["selector"].items())
        images = {pod["spec"]["containers"][0]["image"] for pod in self.list("v1/pods", chosen)}
        assert len(images) == 1, images
        return str(images.pop())

    def replicas(self, deployment: str) -> int | None:
        """Return the replica count in a Deployment's spec; None if it does not exist."""
        found = self.get("apps/v1/deployments", deployment)
        return None if found is None else int(found["spec"]["replicas"])

    def _collection(self, plural: str) -> str:
        path = plural if "/" in plural else f"bookstore.dev/v1alpha1/{plural}"
        version, _, kind = path.rpartition("/")
        root = "api" if version == "v1" else "apis"
        return f"/{root}/{version}/namespaces/{self.namespace}/{kind}"


def bookstore(name: str = "demo", **spec: Any) -> dict[str, Any]:
    """Return a BookStore whose releases have no delays."""
    rollout = {"scaleDownDelaySeconds": 0, "progressDeadlineSeconds": 60}
    return {
        "apiVersion": "bookstore.dev/v1alpha1",
        "kind": "BookStore",
        "metadata": {"name": name},
        "spec": {"image": image("1"), "rollout": rollout, "deletionPolicy": "Delete", **spec},
    }


def image(tag: str) -> str:
    """Return the name of an image whose simulated Pods behave as the end of its tag says."""
    return f"localhost/bookstore-api:{tag}"


@pytest.fixture(scope="session")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, testrun_uid: str, worker_id: str
) -> Iterator[Cluster]:
    """Yield one control plane for all workers of a run; the last one stops it."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    name = f"tests-{testrun_uid[:8]}"
    users = shared / "control-plane-users"
    with locked(name):
        try:
            plane = controlplane.up(name, messages=MESSAGES, owner=_owner(worker_id))
        except DevclusterError as error:
            pytest.skip(f"no control plane: {error}")
        kubeconfig = _install(plane, shared)
        users.write_text(str(_count(users) + 1))
    yield Cluster(plane, kubeconfig)
    with locked(name):
        users.write_text(str(_count(users) - 1))
        if _count(users) == 0:
            kubeconfig.unlink()
            controlplane.down(name)


def _count(users: Path) -> int:
    return int(users.read_text()) if users.exists() else 0


def _owner(worker_id: str) -> Process:
    """Return the process whose end makes the control plane unused: pytest itself."""
    return Process.of("owner", os.getpid() if worker_id == "master" else os.getppid())


def _install(plane: controlplane.ControlPlane, shared: Path) -> Path:
    """Install the CRDs and roles once; return a kubeconfig of the operator's ServiceAccount."""
    kubeconfig = shared / "operator.kubeconfig"
    if kubeconfig.exists():
        return kubeconfig
    kubectl = Cluster(plane, kubeconfig).kubectl(SYSTEM)
    manifests = list(yaml.safe_load_all((ROOT / "manifests" / "install.yaml").read_text()))
    kubectl.apply(*(m for m in manifests if m["kind"] == "CustomResourceDefinition"))
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    wait_for(lambda: _served(kubectl), 30, "the API server to serve the new kinds")
    kubectl.apply(*(m for m in manifests if m["kind"] == "Namespace"))
    kubectl.apply(*(m for m in manifests if m["kind"] in _RIGHTS))
    token = kubectl("create", "token", ACCOUNT, "--duration=12h").strip()
    certificate = plane.folder / "pki" / "apiserver.crt"
    unfinished = kubeconfig.with_suffix(".new")
    controlplane.write_kubeconfig(unfinished, plane.name, plane.server, certificate, token)
    unfinished.rename(kubeconfig)
    return kubeconfig


def _served(kubectl: Kubectl) -> bool:
    try:
        kubectl("get", "bookstores,bookstorereleases", "-A", "-o", "name")
    except KubectlError:
        return False
    return True


_RIGHTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


@pytest.fixture
def shop(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Yield a namespace without an operator; print its objects when the test fails.

    Every line that an operator of the test has logged must be one of the schema.
    """
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": namespace, "labels": labels}
    shop = Shop(cluster, namespace, tmp_path / "operator.log")
    shop.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    failed_before = request.session.testsfailed
    yield shop
    if request.session.testsfailed > failed_before:
        print(dump(shop))
    for operator in shop.running:
        if operator.process.poll() is None:
            operator.stop(signal.SIGKILL)
    shop.kubectl("delete", "namespace", namespace, "--wait=false")
    for log in {operator.log for operator in shop.running}:
        validated(log.read_text().splitlines())


@pytest.fixture
def proxy(shop: Shop) -> Iterator[faulty.Proxy]:
    """Yield a proxy of the API server that injects the faults that a test sets."""
    plane = shop.cluster.plane
    with faulty.proxy(plane.server, plane.folder / "pki" / "apiserver.crt") as running:
        yield running


@pytest.fixture
def operated(shop: Shop) -> Shop:
    """Return a namespace with an operator."""
    shop.start()
    return shop


def dump(shop: Shop) -> str:
    """Return the namespace's objects, events and log lines as text."""
    commands = [
        ["get", "bookstores,bookstorereleases", "-o", "yaml"],
        ["get", "all,pvc,hpa,pdb,networkpolicies,endpointslices", "-o", "wide"],
        ["get", "events", "--sort-by=.metadata.creationTimestamp"],
    ]
    lines = []
    for arguments in commands:
        lines.append(f"\n$ kubectl {' '.join(arguments)}")
        try:
            lines.append(shop.kubectl(*arguments))
        except KubectlError as error:
            lines.append(str(error))
    if shop.log.exists():
        lines += ["\n# the operator's log, its last 150 lines"]
        lines += shop.log.read_text(errors="replace").splitlines()[-150:]
    return "\n".join(lines)
