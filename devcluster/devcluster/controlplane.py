"""A control plane with simulated Pods: no node, no root, no Docker.

etcd, API server, controller manager and scheduler are the real ones; kwok plays the kubelets of
one large Node. Nothing listens outside 127.0.0.1, and etcd only on sockets in the cluster's folder.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from devcluster import audit, binaries, paths, processes, progress, run, stages
from devcluster.apiclient import ApiClient, ApiError
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.locking import locked
from devcluster.processes import Process
from devcluster.stages import Messages
from devcluster.status import Status

PROGRAMS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"),
    "kubectl",
)
NODE = "simulated"
_STATE = "control-plane.json"
_READY_SECONDS = 120.0
_PORT_ATTEMPTS = 5
_END_SECONDS = 2.0
_POLL_SECONDS = 0.05
_HOST_PATHS = Path("/tmp/hostpath_pv")  # noqa: S108  # fixed in kube-controller-manager


@dataclass(frozen=True)
class _Family:
    """The addresses of one family of IP."""

    services: str
    pods: str
    node: str
    advertised: str
    """It leads nowhere; without it a machine that is in no network has none."""

    @property
    def apiserver_flags(self) -> tuple[str, ...]:
        return (
            f"--service-cluster-ip-range={self.services}",
            f"--advertise-address={self.advertised}",
        )


_IPV4 = _Family("10.96.0.0/16", "10.0.0.1/24", "10.0.0.1", "192.0.2.1")
_IPV6 = _Family("fd00:10:96::/108", "fd00:10:244::1/64", "fd00::1", "2001:db8::1")


@dataclass(frozen=True)
class ControlPlane:
    """A control plane that is up."""

    name: str
    folder: Path
    port: int
    processes: tuple[Process, ...]
    token: str = field(repr=False)
    settings: str
    """A digest of everything that it was started with."""
    owner: Process | None = None
    """It is taken down once this process has ended; None: it stays until `down`."""

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig file of an administrator."""
        return self.folder / "kubeconfig"

    @property
    def alive(self) -> bool:
        """Whether every one of its processes is running."""
        return bool(self.processes) and all(process.alive for process in self.processes)

    @property
    def audit_log(self) -> Path:
        """Who asked for what, a line each: if it was started with `audited`."""
        return self.folder / audit.LOG_FILE

    @property
    def kubectl(self) -> Path:
        """The kubectl of the same version."""
        return self.folder / "bin" / "kubectl"

    def environment(self) -> dict[str, str]:
        """Return the variables with which kubectl uses this control plane; PATH is all of it."""
        return {"KUBECONFIG": str(self.kubeconfig), "PATH": run.path_with([self.kubectl.parent])}

    def status(self) -> Status:
        """Return its state, with the processes that run and their memory."""
        running = [process for process in self.processes if process.alive]
        in_part = "in part" if running else "stopped"
        return Status(
            name=self.name,
            state="running" if self.alive else in_part,
            kind="control plane",
            url=self.server,
            kubeconfig=str(self.kubeconfig),
            processes=len(running),
            megabytes=sum(process.memory() for process in running) >> 20,
        )

    def client(self) -> ApiClient:
        """Return a small HTTP client with an administrator's rights."""
        return ApiClient(self.server, self.token, self.folder / "pki" / "apiserver.crt")


def up(
    name: str,
    *,
    messages: Iterable[Messages] = (),
    owner: Process | None = None,
    audited: bool | Collection[str] = False,
    ipv6: bool = False,
) -> ControlPlane:
    """Bring a control plane up, or return the one that is up already.

    One of the same name that was started with other settings, or is up only in part, is replaced.
    `messages` are the termination messages of simulated containers. With `audited` the API server
    writes each request down; names are those of the only users. With `ipv6` Services and Pods
    have addresses of that family only. Raises DevclusterError.
    """
    paths.check_name(name)
    programs = binaries.ensure(PROGRAMS)
    files = {"kwok.yaml": stages.render(messages)}
    if audited:
        files[audit.POLICY_FILE] = audit.policy(() if isinstance(audited, bool) else audited)
    family = _IPV6 if ipv6 else _IPV4
    paths_of_programs = [str(programs[program]) for program in PROGRAMS]
    inputs = "\n".join([*files.values(), *paths_of_programs, family.services])
    settings = hashlib.sha256(inputs.encode()).hexdigest()
    sweep()
    with locked(f"cluster {name}"):
        plane = find(name)
        if plane and plane.alive and plane.settings == settings and _answers(plane):
            return plane
        if plane:
            _take_down(plane)
        elif paths.cluster(name).exists():
            _reject_other_kind(name)
        with progress.step(f"Starting control plane {name}", 4):
            return _start(name, programs, files, settings, family=family, owner=owner)


def down(name: str) -> bool:
    """End a control plane and remove all of it. Return whether there was one."""
    with locked(f"cluster {name}"):
        plane = find(name)
        if plane is not None:
            _take_down(plane)
        return plane is not None


def find(name: str) -> ControlPlane | None:
    """Return what is known of a control plane, alive or not."""
    folder = paths.cluster(name)
    try:
        state = json.loads((folder / _STATE).read_text())
        return ControlPlane(
            name=name,
            folder=folder,
            port=int(state["port"]),
            processes=tuple(map(Process.from_json, state["processes"])),
            token=str(state["token"]),
            settings=str(state["settings"]),
            owner=Process.from_json(state["owner"]) if state["owner"] else None,
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        # The file was cut short: all that is known is that it is one of ours.
        return ControlPlane(name, folder, 0, (), "", "")


def all_known() -> list[ControlPlane]:
    """Return every control plane that is up, or was before a reboot or a crash."""
    files = sorted(paths.clusters().glob(f"*/{_STATE}"))
    return [plane for file in files if (plane := find(file.parent.name))]


@contextlib.contextmanager
def running(
    name: str,
    *,
    messages: Iterable[Messages] = (),
    audited: bool = False,
    ipv6: bool = False,
) -> Iterator[ControlPlane]:
    """Provide a control plane for the block, for tests.

    One that was up before (by `devcluster up --control-plane --name NAME`, or by another process)
    is used and stays up. One that is started here is taken down at the end of the block, or, if
    this process is killed, when the next one starts.
    """
    before = find(name)
    kept = before is not None and before.alive and before.owner is None
    owner = Process.of("owner", os.getpid())
    kept_by = None if kept else owner
    plane = up(name, messages=messages, owner=kept_by, audited=audited, ipv6=ipv6)
    try:
        yield plane
    finally:
        if plane.owner == owner:
            down(name)


def sweep() -> None:
    """Remove the control planes whose owners have ended."""
    for plane in all_known():
        if plane.owner is not None and not plane.owner.alive:
            with locked(f"cluster {plane.name}"):
                current = find(plane.name)
                if current is not None and current.owner == plane.owner:
                    _take_down(current)


def _reject_other_kind(name: str) -> None:
    if any(paths.cluster(name).iterdir()):
        raise DevclusterError(
            f"{name} is the name of a cluster of another kind.",
            f"Take it down first (devcluster down --name {name}), or use another name.",
        )


def _start(  # noqa: PLR0913 - one argument per part of what is started
    name: str,
    programs: dict[str, Path],
    files: Mapping[str, str],
    settings: str,
    *,
    family: _Family,
    owner: Process | None,
) -> ControlPlane:
    folder = paths.cluster(name)
    for _ in range(_PORT_ATTEMPTS):
        plane = ControlPlane(name, folder, free_port(), (), secrets.token_hex(16), settings, owner)
        try:
            return _Starting(plane, programs, family).start(files)
        except _PortTakenError:
            continue
    raise DevclusterError(
        f"No port on 127.0.0.1 stayed free for the API server in {_PORT_ATTEMPTS} attempts."
    )


class _PortTakenError(Exception):
    """Another program took the port between choosing it and using it."""


class _Starting:
    """A control plane on its way up. Each process is recorded before the next is started."""

    def __init__(self, plane: ControlPlane, programs: dict[str, Path], family: _Family) -> None:
        self._plane = plane
        self._family = family
        self._programs = programs
        self._folder = plane.folder
        self._tokens = {
            user: secrets.token_hex(16)
            for user in ("system:kube-controller-manager", "system:kube-scheduler", "kwok")
        }
        self._deadline = time.monotonic() + _READY_SECONDS

    def start(self, files: Mapping[str, str]) -> ControlPlane:
        """Start everything and wait until Pods can be created. Leaves nothing when it fails."""
        try:
            self._write_files(files)
            self._launch("etcd", *_ETCD_FLAGS)
            flags = (*_APISERVER_FLAGS, *(audit.FLAGS if audit.POLICY_FILE in files else ()))
            port = f"--secure-port={self._plane.port}"
            self._launch("kube-apiserver", port, *flags, *self._family.apiserver_flags)
            client = self._plane.client()
            self._wait("the API server to be ready", lambda: client.get("/readyz") == "ok")
            self._launch("kube-controller-manager", *_CONTROLLER_MANAGER_FLAGS)
            self._launch("kube-scheduler", *_SCHEDULER_FLAGS)
            self._launch("kwok", *_KWOK_FLAGS, f"--cidr={self._family.pods}")
            client.post("/api/v1/nodes", _node(self._family.node))
            client.post("/apis/storage.k8s.io/v1/storageclasses", _storage_class())
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            self._wait("the default service account", lambda: bool(client.find(account)))
            self._wait("the node to be usable", lambda: _usable(client.find(_NODE_PATH)))
        except BaseException:
            _take_down(self._plane)
            raise
        return self._plane

    def _write_files(self, files: Mapping[str, str]) -> None:
        pki = self._folder / "pki"
        # Only its owner may look inside: tokens, keys and etcd's socket are there.
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        # Before all else, so that the folder is known to be ours whatever happens next.
        self._write_state()
        pki.mkdir(exist_ok=True)
        self._plane.kubectl.parent.mkdir(exist_ok=True)
        self._plane.kubectl.symlink_to(self._programs["kubectl"])
        for file, content in files.items():
            (self._folder / file).write_text(content)
        (pki / "tokens.csv").write_text(self._token_file())
        tokens = {"kubeconfig": self._plane.token} | {
            f"{user.removeprefix('system:')}.kubeconfig": token
            for user, token in self._tokens.items()
        }
        for file, token in tokens.items():
            server, certificate = self._plane.server, pki / "apiserver.crt"
            write_kubeconfig(self._folder / file, self._plane.name, server, certificate, token)

    def _token_file(self) -> str:
        rows = [f'{self._plane.token},admin,admin,"system:masters"']
        for user, token in self._tokens.items():
            group = "system:masters" if user == "kwok" else ""
            rows.append(f'{token},{user},{user},"{group}"')
        return "\n".join(rows) + "\n"

    def _launch(self, program: str, *flags: str) -> None:
        process = processes.start(
            program, [self._programs[program], *flags], cwd=self._folder, log=self._log(program)
        )
        self._plane = replace(self._plane, processes=(*self._plane.processes, process))
        self._write_state()

    def _write_state(self) -> None:
        plane = self._plane
        state = {
            "port": plane.port,
            "processes": [process.to_json() for process in plane.processes],
            "token": plane.token,
            "settings": plane.settings,
            "owner": plane.owner.to_json() if plane.owner else None,
        }
        temporary = self._folder / f".{_STATE}"
        temporary.write_text(json.dumps(state, indent=1))
        temporary.chmod(0o600)
        temporary.replace(self._folder / _STATE)

    def _log(self, program: str) -> Path:
        return self._folder / "logs" / f"{program}.log"

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        while True:
            with contextlib.suppress(ApiError):
                if condition():
                    return
            self._check_processes()
            if time.monotonic() > self._deadline:
                raise CommandFailed(
                    f"Waited {_READY_SECONDS:.0f} s for {what} of control plane "
                    f"{self._plane.name}.",
                    argv=(),
                    tail=processes.tail(self._log("kube-apiserver")),
                    hint="The machine may be too busy: try again when it is quieter.",
                )
            time.sleep(_POLL_SECONDS)

    def _check_processes(self) -> None:
        for process in self._plane.processes:
            if process.alive:
                continue
            tail = processes.tail(self._log(process.name))
            if process.name == "kube-apiserver" and "address already in use" in tail:
                raise _PortTakenError
            raise CommandFailed(
                f"{process.name} of control plane {self._plane.name} ended while starting.",
                argv=(process.name,),
                tail=tail,
                hint="Run it again; if it ends the same way, the lines above say why.",
            )


def _take_down(plane: ControlPlane) -> None:
    """End the processes, and remove every file."""
    volumes = _host_path_volumes(plane)
    # None of it is kept, so none gets long to end: without its etcd the API server takes minutes.
    processes.end(reversed(plane.processes), seconds=_END_SECONDS)
    # One that was started at the moment when its starter was killed is not recorded.
    processes.end(processes.working_in(plane.folder, paths.binaries()), seconds=_END_SECONDS)
    for volume in volumes:
        shutil.rmtree(volume, ignore_errors=True)
    with contextlib.suppress(OSError):
        _HOST_PATHS.rmdir()  # only when no other control plane uses it
    shutil.rmtree(plane.folder, ignore_errors=True)


def _host_path_volumes(plane: ControlPlane) -> list[Path]:
    """Return the folders that the controller manager made for PersistentVolumes."""
    if not plane.alive:
        return []
    try:
        volumes = plane.client().find("/api/v1/persistentvolumes") or {"items": []}
    except ApiError:
        return []
    folders = [Path(item["spec"].get("hostPath", {}).get("path", "/")) for item in volumes["items"]]
    return [path for path in folders if path.parent == _HOST_PATHS]


def _answers(plane: ControlPlane) -> bool:
    try:
        return plane.client().get("/readyz") == "ok"
    except ApiError:
        return False


def free_port() -> int:
    """Return a port on 127.0.0.1 that is free now; another program may still take it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_kubeconfig(target: Path, name: str, server: str, certificate: Path, token: str) -> None:
    """Write a kubeconfig file that only its owner can read."""
    cluster = {"server": server, "certificate-authority": str(certificate)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
    }
    target.touch(mode=0o600)
    target.write_text(json.dumps(content, indent=1))


# Sockets named etcd:1 and etcd:2 in its folder: no port to find, nobody else can
# connect, and the length of the folder's path does not matter.
_ETCD_FLAGS = (
    *("--data-dir=etcd", "--unsafe-no-fsync", "--log-level=warn"),
    *("--listen-client-urls=unix://etcd:1", "--advertise-client-urls=unix://etcd:1"),
    *("--listen-peer-urls=unix://etcd:2", "--initial-advertise-peer-urls=unix://etcd:2"),
    *("--initial-cluster=default=unix://etcd:2", "--quota-backend-bytes=2147483648"),
)
_APISERVER_FLAGS = (
    *("--etcd-servers=unix:etcd:1", "--bind-address=127.0.0.1", "--cert-dir=pki"),
    *("--token-auth-file=pki/tokens.csv", "--anonymous-auth=false"),
    *("--authorization-mode=Node,RBAC", "--allow-privileged=true"),
    "--service-account-issuer=https://kubernetes.default.svc",
    # The key that the server generates for itself in `pki`, for service accounts' tokens, too.
    "--service-account-key-file=pki/apiserver.key",
    "--service-account-signing-key-file=pki/apiserver.key",
    # Its own address is no Pod's: the `kubernetes` Service would point nowhere.
    "--endpoint-reconciler-type=none",
    *("--max-requests-inflight=1000", "--max-mutating-requests-inflight=500"),
    *("--shutdown-delay-duration=0s", "--profiling=false"),
)
_CLIENT_RATE = ("--kube-api-qps=500", "--kube-api-burst=1000")
_CONTROLLER_MANAGER_FLAGS = (
    "--kubeconfig=kube-controller-manager.kubeconfig",
    *("--secure-port=0", "--leader-elect=false", *_CLIENT_RATE),
    *("--use-service-account-credentials=true", "--root-ca-file=pki/apiserver.crt"),
    "--service-account-private-key-file=pki/apiserver.key",
    # A simulated node never misses a heartbeat, however busy the machine is.
    "--node-monitor-grace-period=3600s",
    "--enable-hostpath-provisioner=true",
    *(
        f"--concurrent-{kind}-syncs=20"
        for kind in ("deployment", "replicaset", "job", "gc", "namespace")
    ),
)
_SCHEDULER_FLAGS = (
    "--kubeconfig=kube-scheduler.kubeconfig",
    *("--secure-port=0", "--leader-elect=false", *_CLIENT_RATE),
    # It can miss that a claim was bound, and would retry only after 5 minutes.
    "--pod-max-in-unschedulable-pods-duration=15s",
)
_KWOK_FLAGS = (
    *("--kubeconfig=kwok.kubeconfig", "--config=kwok.yaml", "--manage-all-nodes=true"),
    *("--node-port=0", "--node-lease-duration-seconds=0"),
)

_NODE_PATH = f"/api/v1/nodes/{NODE}"


def _node(address: str) -> dict[str, Any]:
    room = {"cpu": "1000", "memory": "10Ti", "pods": "100000", "ephemeral-storage": "10Ti"}
    pressures = dict.fromkeys(("MemoryPressure", "DiskPressure", "PIDPressure"), "False")
    unknown = (
        *("kubeProxyVersion", "kernelVersion", "osImage", "containerRuntimeVersion"),
        *("machineID", "systemUUID", "bootID"),
    )
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NODE,
            "labels": {
                f"kubernetes.io/{label}": value
                for label, value in (("hostname", NODE), ("os", "linux"), ("arch", "amd64"))
            },
        },
        "status": {
            "capacity": room,
            "allocatable": room,
            "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [
                {"type": kind, "status": status, "reason": "Simulated"}
                for kind, status in {"Ready": "True", **pressures}.items()
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "kubeletVersion": "simulated",
                **dict.fromkeys(unknown, ""),
            },
        },
    }


def _usable(node: dict[str, Any] | None) -> bool:
    return node is not None and not node["spec"].get("taints")


def _storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/host-path",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }
