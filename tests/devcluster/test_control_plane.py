"""Control planes for real: the programs themselves, with simulated Pods."""

import contextlib
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from devcluster import controlplane, paths, run
from devcluster.apiclient import ApiClient, ApiError
from devcluster.controlplane import ControlPlane
from devcluster.errors import DevclusterError
from devcluster.processes import Process
from devcluster.stages import Messages
from tests.devcluster.support import (
    needs_programs,
    stopped_plane,
    taken_port,
    until,
    waiting,
    write_state,
)

pytestmark = [pytest.mark.devcluster, needs_programs]

MIGRATED = '{"code": "migrated", "message": "It said \\"done\\" {{ here }}."}'
FAILED = '{"code": "failed"}'
MESSAGES = [Messages("migrate --to expand", success=MIGRATED, failure=FAILED)]


def test_two_at_once_and_nothing_is_left() -> None:
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(
            lambda name: controlplane.up(name, messages=MESSAGES), ["one", "two"]
        )
    assert first.port != second.port
    _kubectl(first, "apply", "-f", "-", stdin=json.dumps(_workload()))
    assert _kubectl(second, "get", "deployments", "-o", "name") == ""

    _kubectl(first, "rollout", "status", "deployment/web", "--timeout=60s")
    _kubectl(first, "wait", "--for=condition=complete", "job/works", "--timeout=60s")
    _kubectl(first, "wait", "--for=condition=failed", "job/fails", "--timeout=60s")
    _kubectl(first, "rollout", "status", "statefulset/database", "--timeout=60s")
    assert _termination(first, "works") == (0, MIGRATED)
    assert _termination(first, "fails") == (1, FAILED)
    assert _termination(first, "says") == (0, "as annotated")
    assert _ready(first, "unready") == (False, None)
    assert _ready(first, "crash") == (False, "CrashLoopBackOff")
    assert _ready(first, "unpullable") == (False, "ImagePullBackOff")

    volume = Path(_kubectl(first, "get", "pv", "-o", "jsonpath={.items[0].spec.hostPath.path}"))
    assert volume.is_dir()
    assert controlplane.down("one")
    assert controlplane.down("two")
    assert not volume.exists()
    assert _processes_in(paths.state()) == []
    assert list(paths.clusters().iterdir()) == []
    assert not controlplane.down("one")


def test_rbac_holds_and_pod_security_is_enforced() -> None:
    with controlplane.running("rbac") as plane:
        _kubectl(plane, "create", "namespace", "strict")
        _kubectl(plane, "label", "ns", "strict", "pod-security.kubernetes.io/enforce=restricted")
        _kubectl(plane, "create", "serviceaccount", "-n", "strict", "nobody")
        token = _kubectl(plane, "create", "token", "-n", "strict", "nobody")
        nobody = ApiClient(plane.server, token, plane.folder / "pki" / "apiserver.crt")
        with pytest.raises(ApiError) as denied:
            nobody.get("/api/v1/namespaces/strict/secrets")
        assert denied.value.status == 403
        container = {"name": "main", "image": "x:1", "securityContext": {"privileged": True}}
        pod = {"metadata": {"name": "pod"}, "spec": {"containers": [container]}}
        with pytest.raises(ApiError, match="PodSecurity") as forbidden:
            plane.client().post("/api/v1/namespaces/strict/pods", pod)
        assert forbidden.value.status == 403
    assert controlplane.find("rbac") is None


def test_a_taken_port_a_second_up_and_a_dead_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with taken_port() as port:
        free = controlplane.free_port
        ports = iter([port])
        monkeypatch.setattr(controlplane, "free_port", lambda: next(ports, None) or free())
        plane = controlplane.up("again")
        assert plane.port != port

    assert controlplane.up("again") == plane, "one that is up is used as it is"
    # One that was brought up by hand stays up after a test that used it.
    with controlplane.running("again") as used:
        assert used == plane
    assert plane.alive

    server = next(process for process in plane.processes if process.name == "kube-apiserver")
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: not plane.alive)
    renewed = controlplane.up("again")
    assert renewed.alive
    assert not any(process.alive for process in plane.processes)
    assert len(_processes_in(paths.state())) == len(renewed.processes)


def test_what_a_killed_test_left_is_swept_away(tmp_path: Path) -> None:
    code = (
        "from devcluster import controlplane\n"
        "with controlplane.running('orphan'):\n    print('up', flush=True)\n    sys.stdin.read()"
    )
    with waiting(code) as (_, line):
        assert line == "up"
    orphan = controlplane.find("orphan")
    assert orphan is not None
    assert orphan.alive
    controlplane.sweep()
    assert controlplane.find("orphan") is None
    assert _processes_in(tmp_path) == []


def test_the_state_from_before_a_reboot_is_cleaned_up() -> None:
    # The number is this very process's, as a reboot may have it.
    old = {**Process.of("etcd", os.getpid()).to_json(), "boot": "of another boot"}
    folder = stopped_plane("rebooted", old)
    (folder / "etcd:1").touch()
    plane = controlplane.find("rebooted")
    assert plane is not None
    assert not plane.alive
    assert controlplane.down("rebooted")
    assert not folder.exists()


def test_a_process_that_is_not_recorded_is_ended_too() -> None:
    plane = controlplane.up("unrecorded")
    file = plane.folder / "control-plane.json"
    state = json.loads(file.read_text())
    unrecorded = state["processes"].pop()
    file.write_text(json.dumps(state))
    assert controlplane.down("unrecorded")
    assert not Process.from_json(unrecorded).alive


def test_an_unreadable_state_is_no_obstacle() -> None:
    folder = write_state("torn", "control-plane.json", '{"port": 12')
    assert controlplane.down("torn")
    assert not folder.exists()


def test_a_cluster_of_another_kind_is_left_alone() -> None:
    folder = write_state("foreign", "kind.json", {})
    with pytest.raises(DevclusterError, match="another kind"):
        controlplane.up("foreign")
    assert (folder / "kind.json").exists()
    assert not controlplane.down("foreign")


def _workload() -> dict[str, Any]:
    """Pods that run, Pods that do not start, a volume, and Jobs that end in several ways."""
    migrate = ["migrate", "--to", "expand"]
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            _workload_of("Deployment", "web", replicas=2, image="x:1"),
            _workload_of("Deployment", "unready", image="x:1-pod-unready"),
            _workload_of("Deployment", "crash", image="x:1-pod-crash"),
            _workload_of("Deployment", "unpullable", image="x:1", behavior="unpullable"),
            _stateful_set("database"),
            _job("works", "x:1-pod-unready", migrate, {}),
            _job("fails", "x:1-job-fail", migrate, {}),
            _job("says", "x:1", [], {"devcluster.dev/termination-message": "as annotated"}),
        ],
    }


def _workload_of(
    kind: str, name: str, *, image: str, replicas: int = 1, behavior: str = ""
) -> dict[str, Any]:
    labels = {"app": name, **({"devcluster.dev/pod": behavior} if behavior else {})}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
        },
    }


def _stateful_set(name: str) -> dict[str, Any]:
    stateful_set = _workload_of("StatefulSet", name, image="pg:1")
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    stateful_set["spec"] |= {
        "serviceName": name,
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
    }
    return stateful_set


def _job(name: str, image: str, args: list[str], annotations: dict[str, str]) -> dict[str, Any]:
    container = {"name": "main", "image": image, "args": args}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": annotations},
                "spec": {"restartPolicy": "Never", "containers": [container]},
            },
        },
    }


def _termination(plane: ControlPlane, name: str) -> tuple[int, str]:
    until(lambda: _status(plane, name).get("state", {}).get("terminated"))
    terminated = _status(plane, name)["state"]["terminated"]
    return terminated["exitCode"], terminated["message"]


def _ready(plane: ControlPlane, name: str) -> tuple[bool, str | None]:
    until(lambda: _status(plane, name))
    status = _status(plane, name)
    return status["ready"], status["state"].get("waiting", {}).get("reason")


def _status(plane: ControlPlane, name: str) -> dict[str, Any]:
    pods = plane.client().find(f"/api/v1/namespaces/default/pods?labelSelector=app%3D{name}")
    assert pods is not None
    statuses = [pod["status"].get("containerStatuses", [{}])[0] for pod in pods["items"]]
    return dict(statuses[0]) if statuses else {}


def _kubectl(plane: ControlPlane, *arguments: str, stdin: str | None = None) -> str:
    return run.output([plane.kubectl, *arguments], env=plane.environment(), input=stdin, timeout=90)


def _processes_in(folder: Path) -> list[str]:
    """Return the processes whose working directory is in a folder, as those of a control plane."""
    programs = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                programs.append((process / "cmdline").read_bytes().decode().split("\0")[0])
    return programs
