"""A control plane with simulated Pods for all workers; a namespace and operator for each test."""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.kubectl import Kubectl, KubectlError
from devcluster import controlplane
from devcluster.errors import DevclusterError
from devcluster.processes import Process
from devcluster.stages import Messages
from tests.support import faulty, kube, operators
from tests.support.drills import DRILLED
from tests.support.kube import condition, holds, wait_for
from tests.support.log_lines import validated
from tests.support.operators import Operator
from tests.support.shared import folder_of_the_run, shared
from tests.support.world import BACKED_UP, CONTRACTED, CURRENT, DESCRIBED, PASSED, RESTORED, WHOLE

ROOT = Path(__file__).parents[2]
SYSTEM = "bookstore-system"
ACCOUNT = "bookstore-operator"
READY_SECONDS = 120.0
REPORT_SECONDS = 60.0  # trouble that can pass by itself counts after 20 s at most

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
UNDESCRIBED = {"command": "contract", "code": "failed", "message": "A setting is malformed."}
INCOMPATIBLE = {"command": "check-schema", "code": "incompatible", "message": "No table books."}
NOT_BACKED_UP = {
    "command": "create",
    "code": "target-unreachable",
    "message": "The object store does not answer.",
}
MESSAGES = [
    Messages("migrate --to contract", json.dumps(CONTRACTED), json.dumps(NOT_MIGRATED)),
    Messages("migrate", json.dumps(MIGRATED), json.dumps(NOT_MIGRATED)),
    Messages("contract", json.dumps(DESCRIBED), json.dumps(UNDESCRIBED)),
    Messages("check-schema", json.dumps(CURRENT), json.dumps(INCOMPATIBLE)),
    Messages("verify", json.dumps(WHOLE), json.dumps({**WHOLE, "code": "damaged"})),
    Messages("drill", json.dumps(DRILLED), json.dumps({**DRILLED, "code": "damaged"})),
    Messages("restore", json.dumps(RESTORED), json.dumps({**RESTORED, "code": "damaged"})),
    Messages("create", json.dumps(BACKED_UP), json.dumps(NOT_BACKED_UP)),
    Messages("smoke", json.dumps(PASSED), json.dumps({**PASSED, "code": "failed"})),
]


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
        code: Path | None = None,
    ) -> Operator:
        """Start an operator; `log` names its own log file, `code` the folder of another version."""
        chosen = arguments or ("--no-leader-election",)
        self.running.append(
            operators.start(
                kubeconfig or self.cluster.operator_kubeconfig,
                self.log.with_name(log) if log else self.log,
                f"--namespace={namespace or self.namespace}",
                *chosen,
                code=code,
            )
        )
        return self.operator

    def get(self, plural: str, name: str) -> dict[str, Any] | None:
        """Read an object: `apps/v1/deployments`, `v1/pods`, or one of bookstore.dev's."""
        return self.cluster.plane.client().find(f"{self._collection(plural)}/{name}")

    def require(self, plural: str, name: str) -> dict[str, Any]:
        """Read an object that must exist."""
        manifest = self.get(plural, name)
        assert manifest is not None, f"no {plural} {name}"
        return manifest

    def list(self, plural: str, selector: str = "bookstore.dev/store") -> list[dict[str, Any]]:
        """Read the objects of a kind that belong to a BookStore."""
        query = f"?labelSelector={selector}" if selector else ""
        collection = self.cluster.plane.client().find(self._collection(plural) + query)
        items: list[dict[str, Any]] = (collection or {}).get("items", [])
        return items

    def store(self, name: str = "demo") -> dict[str, Any] | None:
        """Read a BookStore."""
        return self.get("bookstores", name)

    def apply(self, name: str = "demo", **spec: Any) -> None:
        """Apply a BookStore as a user does."""
        self.kubectl.apply(bookstore(name, **spec))

    def delete(self, name: str) -> None:
        """Delete a BookStore without waiting for its end."""
        self.kubectl("delete", "bookstore", name, "--wait=false")

    def provide(self, name: str, *, type: str = "Opaque", **keys: str) -> None:  # noqa: A002
        """Apply a Secret as a user does."""
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": type}
        self.kubectl.apply({**manifest, "stringData": keys})

    def provide_backups(self) -> None:
        """Apply the claim that `restore` names: no Pod starts without it."""
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        self.kubectl.apply({**claim, "metadata": {"name": "former-backup"}, "spec": spec})

    def limit(self, **hard: str) -> None:
        """Apply the quota `few`, and wait until it is enforced."""
        manifest = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}}
        self.kubectl.apply({**manifest, "spec": {"hard": hard}})
        wait_for(
            lambda: self.require("v1/resourcequotas", "few").get("status", {}).get("hard") == hard,
            REPORT_SECONDS,
            "the quota to hold",
        )

    def ready(self, name: str = "demo", image: str = "") -> dict[str, Any]:
        """Wait until a BookStore is Ready, with this image if one is given."""

        def is_so() -> dict[str, Any] | None:
            store = self.store(name)
            if not holds(store, "Ready") or store is None:
                return None
            active = store["status"].get("active") or {}
            return store if image in {"", active.get("image")} else None

        return wait_for(is_so, READY_SECONDS, f"{name} to be Ready {image}")

    def reports(
        self, kind: str, reason: str, *words: str, status: str = "", name: str = "demo"
    ) -> None:
        """Wait until a condition has this reason, and all the words in its message."""

        def is_so() -> bool:
            actual = condition(self.store(name), kind)
            return (
                actual.get("reason") == reason
                and status in {"", actual["status"]}
                and all(text in actual["message"] for text in words)
            )

        wait_for(is_so, REPORT_SECONDS, f"{name} to report {reason} {words}")

    def serving(self, name: str = "demo") -> str:
        """Return the image of the Pods that the Service selects."""
        service = self.require("v1/services", name)
        chosen = ",".join(f"{k}={v}" for k, v in service["spec"]["selector"].items())
        images = {pod["spec"]["containers"][0]["image"] for pod in self.list("v1/pods", chosen)}
        assert len(images) == 1, images
        return str(images.pop())

    def replicas(self, deployment: str) -> int | None:
        """Return the replica count in a Deployment's spec; None if it does not exist."""
        manifest = self.get("apps/v1/deployments", deployment)
        return None if manifest is None else int(manifest["spec"]["replicas"])

    def _collection(self, plural: str) -> str:
        path = plural if "/" in plural else f"bookstore.dev/v1alpha1/{plural}"
        version, _, kind = path.rpartition("/")
        root = "api" if version == "v1" else "apis"
        return f"/{root}/{version}/namespaces/{self.namespace}/{kind}"


def pass_time(shop: Shop, seconds: int) -> None:
    """Wait for a watch that the API server ends after so many seconds."""
    path = f"/apis/bookstore.dev/v1alpha1/namespaces/{shop.namespace}/bookstores"
    shop.cluster.plane.client().get(f"{path}?watch=1&timeoutSeconds={seconds}&labelSelector=no=one")


QUICK = {"scaleDownDelaySeconds": 0, "watch": {"seconds": 0}, "rollbackWindowSeconds": 0}


def bookstore(name: str = "demo", **spec: Any) -> dict[str, Any]:
    """Return a BookStore whose releases have no delays, and no watch: its Pods don't exist."""
    rollout = {**QUICK, "progressDeadlineSeconds": 60}
    return {
        "apiVersion": "bookstore.dev/v1alpha1",
        "kind": "BookStore",
        "metadata": {"name": name},
        "spec": {"image": image("1"), "rollout": rollout, "deletionPolicy": "Delete", **spec},
    }


def restore(name: str) -> dict[str, Any]:
    """Return a BookStoreRestore from the volume that a BookStore of another name has left."""
    return {
        "apiVersion": "bookstore.dev/v1alpha1",
        "kind": "BookStoreRestore",
        "metadata": {"name": name},
        "spec": {"storeName": "demo", "source": {"target": {"claimName": "former-backup"}}},
    }


def image(tag: str) -> str:
    """Return the name of an image; its tag ends in how its simulated Pods behave."""
    return f"localhost/bookstore-api:{tag}"


@pytest.fixture(scope="session")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, testrun_uid: str, worker_id: str
) -> Iterator[Cluster]:
    """Yield one control plane for all workers of a run; the last one stops it."""
    name = f"tests-{testrun_uid[:8]}"
    folder = folder_of_the_run(tmp_path_factory, worker_id)
    kubeconfig = folder / "operator.kubeconfig"

    def start() -> None:
        try:
            plane = controlplane.up(name, messages=MESSAGES, owner=_owner(worker_id))
        except DevclusterError as error:
            pytest.skip(f"no control plane: {error}")
        try:
            install(plane, kubeconfig)
        except BaseException:
            controlplane.down(name)
            raise

    with shared(name, folder, start, lambda: controlplane.down(name)):
        plane = controlplane.find(name)
        assert plane is not None
        yield Cluster(plane, kubeconfig)


def _owner(worker_id: str) -> Process:
    """Return the process whose end makes the control plane unused: pytest itself."""
    return Process.of("owner", os.getpid() if worker_id == "master" else os.getppid())


INSTALL = ROOT / "manifests" / "install.yaml"


def install(plane: controlplane.ControlPlane, kubeconfig: Path, manifest: Path = INSTALL) -> None:
    """Install the CRDs and roles; write a kubeconfig of the operator's ServiceAccount."""
    kubectl = Cluster(plane, kubeconfig).kubectl(SYSTEM)
    manifests = list(yaml.safe_load_all(manifest.read_text()))
    kubectl.apply(*(m for m in manifests if m["kind"] == "CustomResourceDefinition"))
    wait_for(lambda: _served(kubectl), 30, "the API server to serve the new kinds")
    kubectl.apply(*(m for m in manifests if m["kind"] == "Namespace"))
    kubectl.apply(*(m for m in manifests if m["kind"] in _RIGHTS))
    token = kubectl("create", "token", ACCOUNT, "--duration=12h").strip()
    certificate = plane.folder / "pki" / "apiserver.crt"
    controlplane.write_kubeconfig(kubeconfig, plane.name, plane.server, certificate, token)


def _served(kubectl: Kubectl) -> bool:
    try:
        kubectl("get", "bookstores,bookstorereleases", "-A", "-o", "name")
    except KubectlError:
        return False
    return True


_RIGHTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


@contextmanager
def own_control_plane(name: str, **options: Any) -> Iterator[controlplane.ControlPlane]:
    """Run a control plane for the block, for this process only; skips where none can run."""
    with ExitStack() as stack:
        try:
            running = controlplane.running(f"{name}-{os.getpid()}", **options)
            plane = stack.enter_context(running)
        except DevclusterError as error:
            pytest.skip(f"no control plane: {error}")
        yield plane


@contextmanager
def shop_in_namespace(cluster: Cluster, log: Path) -> Iterator[Shop]:
    """Yield a new namespace without an operator; end its operators and delete it at the end.

    Every line that one of its operators has logged must be one of the schema.
    """
    shop = Shop(cluster, f"t-{uuid.uuid4().hex[:8]}", log)
    shop.kubectl.apply(kube.namespace(shop.namespace))
    yield shop
    for operator in shop.running:
        operator.kill()
    shop.kubectl("delete", "namespace", shop.namespace, "--wait=false")
    for path in {operator.log for operator in shop.running}:
        validated(path.read_text().splitlines())


@pytest.fixture
def shop(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Yield a namespace without an operator; print its objects when the test fails."""
    with shop_in_namespace(cluster, tmp_path / "operator.log") as shop:
        failed_before = request.session.testsfailed
        yield shop
        if request.session.testsfailed > failed_before:
            print(dump(shop))


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
    text = kube.dump((shop.kubectl, arguments) for arguments in commands)
    if not shop.log.exists():
        return text
    log = shop.log.read_text(errors="replace").splitlines()[-150:]
    return "\n".join([text, "\n# the operator's log, its last 150 lines", *log])
