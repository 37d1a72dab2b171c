"""Kind clusters for real, in a network namespace of the test's own, and what is left of them."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster import binaries, kindcluster, paths
from devcluster.engine import EngineChoice
from tests.devcluster.support import UP_LOOPBACK, devcluster, python, until

pytestmark = [pytest.mark.devcluster, pytest.mark.e2e, pytest.mark.timeout(600)]

NAME = "devcluster-test"

# What is gone after a reboot: bridges and rules.
CLEAR_NETWORK = """
import socket
from devcluster import run
from devcluster.offline import hostcleanup, privateengine
tools = privateengine.tools_environment()
run.output(["nft", "flush", "ruleset"], env=tools)
for _, name in socket.if_nameindex():
    if name.startswith(("br-", "docker")):
        hostcleanup.delete_bridge(name)
"""

RESTRICTED = """
apiVersion: v1
kind: Namespace
metadata: {name: strict, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: strict}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 100Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: strict, labels: {app: db}}
spec:
  automountServiceAccountToken: false
  securityContext:
    {runAsNonRoot: true, runAsUser: 999, fsGroup: 999, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: db
    image: @POSTGRES@
    env: [{name: POSTGRES_PASSWORD, value: secret}]
    securityContext:
      {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    readinessProbe: {exec: {command: [pg_isready, -q, -h, 127.0.0.1]}, periodSeconds: 1}
    volumeMounts:
    - {name: data, mountPath: /var/lib/postgresql}
    - {name: run, mountPath: /var/run/postgresql}
    - {name: run, mountPath: /tmp}
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - {name: run, emptyDir: {}}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: strict}
spec: {selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: strict, labels: {app: web}}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: web
    image: @BASE@
    command: [python3, -m, http.server, "8000", -d, /usr/share]
    securityContext:
      {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    readinessProbe: {httpGet: {path: /, port: 8000}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: strict}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 8000, nodePort: 30080}]}
"""


@dataclass(frozen=True)
class Machine:
    """A place to run devcluster in: what it leaves behind is easy to find."""

    home: Path
    prefix: tuple[str, ...]

    def run(self, *argv: str, stdin: str | None = None, **variables: str) -> str:
        """Run a program in there; fails with all that it printed."""
        result = subprocess.run(
            [*self.prefix, *argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=500,
            env={**os.environ, **self.variables, **variables},
            check=False,
        )
        assert result.returncode == 0, f"{argv}: {result.stdout}{result.stderr}"
        return result.stdout

    @property
    def variables(self) -> dict[str, str]:
        return {
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_STATE_HOME": str(self.home / "state"),
        }

    def devcluster(self, *arguments: str) -> str:
        return self.run(*devcluster(*arguments))

    def environment(self, *arguments: str) -> dict[str, str]:
        """Return the variables that a command prints for a shell."""
        words = shlex.split(self.devcluster(*arguments))
        return dict(word.split("=", 1) for word in words if "=" in word)


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Give this machine where its own engine is used, otherwise a private one."""
    own, _ = kindcluster.choose(EngineChoice.from_environment())
    if own is None:
        with _private_machine() as private:
            yield private
        return
    home = Path(tempfile.mkdtemp(prefix="dc-"))
    here = Machine(home, ())
    cache = home / "cache"
    cache.mkdir()
    paths.cache().mkdir(parents=True, exist_ok=True)
    (cache / "devcluster").symlink_to(paths.cache())
    yield here
    here.devcluster("down", "--all")
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def private_machine() -> Iterator[Machine]:
    """Give a network namespace, a state and an engine of its own, and what the cache has.

    Nothing can be fetched in there: `make e2e` has made what a cluster needs before.
    """
    with _private_machine() as private:
        yield private


@contextlib.contextmanager
def _private_machine() -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("a private Docker engine needs root")
    # Short: a socket's path may have 107 characters.
    home = Path(tempfile.mkdtemp(prefix="dc-"))
    cache = home / "cache/devcluster"
    cache.mkdir(parents=True)
    for folder in ("bin", "debian", "roots"):
        (paths.cache() / folder).mkdir(parents=True, exist_ok=True)
        (cache / folder).symlink_to(paths.cache() / folder)
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) as holder:
        try:
            until(lambda: _namespace("self") != _namespace(str(holder.pid)))
            inside = Machine(home, ("nsenter", f"--target={holder.pid}", "--net", "--"))
            inside.run(*python(UP_LOOPBACK))
            yield inside
            inside.devcluster("down", "--all")
        finally:
            holder.kill()
            shutil.rmtree(home, ignore_errors=True)


def _namespace(process: str) -> str:
    return str(Path(f"/proc/{process}/ns/net").readlink())


def _output(machine: Machine, *argv: str, **variables: str) -> str:
    """Return what a program prints, or its failure."""
    try:
        return machine.run(*argv, **variables).strip()
    except AssertionError as error:
        return str(error)


def _left(machine: Machine, containers: list[str]) -> list[str]:
    """Return what is there and would not be, had the tool never run."""
    home = str(machine.home)
    commands = [" ".join(words) for _, words in _processes()]
    left = [f"process {line}" for line in commands if home in line and "nsenter" not in line]
    mounts = Path("/proc/mounts").read_text().splitlines()
    left += [f"mount {line}" for line in mounts if home in line]
    for folder, _, _ in os.walk("/sys/fs/cgroup"):
        left += [f"control group {folder}" for container in containers if container in folder]
    return left + (_left_in_the_network(machine) if machine.prefix else [])


def _left_in_the_network(machine: Machine) -> list[str]:
    tools = next((paths.cache() / "debian").glob("host-*"))
    libraries = [str(path) for path in tools.glob("usr/lib/*-linux-gnu*")]
    environment = {
        "LD_LIBRARY_PATH": ":".join(libraries),
        "XTABLES_LIBDIR": ":".join(f"{path}/xtables" for path in libraries),
    }
    left = []
    for program in ("iptables-save", "ip6tables-save", "nft list ruleset"):
        first, *rest = program.split()
        rules = machine.run(str(tools / "devcluster-bin" / first), *rest, **environment)
        left += rules.splitlines()
    names = "import socket; print(*(name for _, name in socket.if_nameindex()))"
    interfaces = machine.run(*python(names)).split()
    return left + [name for name in interfaces if name not in {"lo", "ifb0", "ifb1"}]


def _processes() -> Iterator[tuple[Path, list[str]]]:
    """List the folders in /proc and the command lines of all processes."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield folder, (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")


def _containers(machine: Machine, environment: dict[str, str], *more: str) -> list[str]:
    return machine.run("docker", "ps", "--quiet", "--no-trunc", *more, **environment).split()


def test_a_cluster_comes_up_does_what_is_asked_and_leaves_nothing(machine: Machine) -> None:
    machine.devcluster("up", "--name", NAME)
    environment = machine.environment("env", "--name", NAME)

    began = time.monotonic()
    machine.devcluster("up", "--name", NAME)
    assert time.monotonic() - began < 10, "a cluster that is up was recreated"

    images = [environment["POSTGRES_IMAGE"], environment["BASE_IMAGE"]]
    machine.devcluster("load", "--name", NAME, *images)
    manifest = RESTRICTED.replace("@POSTGRES@", images[0]).replace("@BASE@", images[1])
    machine.run("kubectl", "apply", "-f", "-", stdin=manifest, **environment)
    pods = ("--namespace=strict", "pod/db", "pod/web")
    machine.run("kubectl", "wait", "--for=condition=Ready", "--timeout=120s", *pods, **environment)

    # DNS, a Service, a volume that a user other than root writes, and the published port.
    select = "PGPASSWORD=secret psql --host=db.strict --username=postgres -Atc 'select 6 * 7'"
    in_pod = ("exec", "--namespace=strict", "db", "--", "sh", "-c", select)
    # kube-proxy hears of a Pod that is Ready up to a second later.
    until(lambda: _output(machine, "kubectl", *in_pod, **environment) == "42")
    fetch = (
        f"import urllib.request as r; print(r.urlopen({environment['DEVCLUSTER_URL']!r}).status)"
    )
    until(lambda: _output(machine, *python(fetch)) == "200")

    containers = _containers(machine, environment, f"--filter=name={NAME}")
    assert containers
    machine.devcluster("down", "--name", NAME)

    assert _left(machine, containers) == []
    machine.devcluster("down", "--name", NAME)


def test_an_engine_that_crashed_is_cleaned_up_after(private_machine: Machine) -> None:
    environment = private_machine.environment("image", "base")
    run = ("run", "--detach", "--stop-timeout=1", environment["BASE_IMAGE"], "sleep", "600")
    private_machine.run("docker", *run, **environment)
    containers = _containers(private_machine, environment)
    pid = int((private_machine.home / "state/devcluster/engine/dockerd.pid").read_text())

    os.kill(pid, signal.SIGKILL)
    private_machine.devcluster("down", "--all")

    assert _left(private_machine, containers) == []


def _engine_processes(machine: Machine) -> list[int]:
    """Return the private engine's processes and those of its containers."""
    home = str(machine.home)
    containers = [
        folder.name for folder in (machine.home / "cache/devcluster/engine").glob("containers/*")
    ]
    programs = {"dockerd", "containerd", "containerd-shim-runc-v2", "docker-proxy"}
    pids = []
    for folder, words in _processes():
        with contextlib.suppress(OSError):
            groups = (folder / "cgroup").read_text()
            is_ours = Path(words[0]).name in programs and home in " ".join(words)
            if is_ours or any(container in groups for container in containers):
                pids.append(int(folder.name))
    return pids


def _reboot(machine: Machine) -> None:
    """Leave what a power failure leaves of an engine: files. Its network is a new one."""

    def kill_all() -> bool:
        pids = _engine_processes(machine)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids

    until(kill_all)
    record = machine.home / "state/devcluster/engine/before.json"
    before = json.loads(record.read_text())
    record.write_text(json.dumps({**before, "boot": "an earlier one"}))
    machine.run(*python(CLEAR_NETWORK))


@pytest.mark.nightly
def test_a_kill_in_the_middle_and_a_reboot_in_between(private_machine: Machine) -> None:
    machine = private_machine
    up = [*machine.prefix, *devcluster("up", "--name", NAME)]
    with subprocess.Popen(up, env={**os.environ, **machine.variables}) as first:
        until(lambda: len(_engine_processes(machine)) > 3, 120)
        first.kill()
    # The node is half made, and what was making it may still run.
    machine.devcluster("up", "--name", NAME)
    environment = machine.environment("env", "--name", NAME)
    machine.run("kubectl", "create", "configmap", "kept", **environment)

    _reboot(machine)
    assert "stopped" in machine.devcluster("status")
    machine.devcluster("up", "--name", NAME)

    environment = machine.environment("env", "--name", NAME)
    machine.run("kubectl", "get", "configmap", "kept", **environment)
    containers = _containers(machine, environment, f"--filter=name={NAME}")
    machine.devcluster("down", "--name", NAME)
    assert _left(machine, containers) == []


def test_old_images_go_todays_stay_and_so_does_a_cluster_of_others(
    private_machine: Machine,
) -> None:
    environment = private_machine.environment("image", "base")
    for folder in ("bin", "debian", "roots"):  # the developer's own: not to be touched
        real = private_machine.home / "cache/devcluster" / folder
        entries = list(real.iterdir())
        real.unlink()
        real.mkdir()
        for entry in entries:
            (real / entry.name).symlink_to(paths.cache() / folder / entry.name)
    base = environment["BASE_IMAGE"]
    container = private_machine.run("docker", "create", base, "true", **environment).strip()
    private_machine.run("docker", "commit", container, "localhost/mine:1", **environment)
    private_machine.run("docker", "rm", container, **environment)

    for prune in (("prune", "--dry-run"), ("prune",)):
        assert "image localhost/mine:1" in private_machine.devcluster(*prune)
    listed = ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    assert private_machine.run("docker", *listed, **environment).split() == [base]

    # Now a kind cluster that was not made here.
    label = "--label=io.x-k8s.kind.cluster=theirs"
    run = ("run", "--detach", "--stop-timeout=1", label, base, "sleep", "600")
    theirs = private_machine.run("docker", *run, **environment).strip()
    kind = str(binaries.ensure(["kind"])["kind"])
    assert private_machine.run(kind, "get", "clusters", **environment) == "theirs\n"
    private_machine.devcluster("down", "--name", "never-up")
    private_machine.devcluster("down", "--all")
    assert _containers(private_machine, environment) == [theirs]
    private_machine.run("docker", "rm", "--force", theirs, **environment)


def test_a_full_disk_says_so_and_what_to_free(private_machine: Machine) -> None:
    data = private_machine.home / "cache/devcluster/engine"
    data.mkdir()
    script = f'mount -t tmpfs -o size=40m none {data} && exec "$@"'
    small = ("unshare", "--mount", "sh", "-c", script, "sh")
    shown = _output(private_machine, *small, *devcluster("image", "base"))
    assert "A disk is full." in shown
    assert "devcluster prune" in shown
    assert "Traceback" not in shown


def test_a_second_cluster_keeps_the_engine_of_the_first(private_machine: Machine) -> None:
    """Noted by name, so `down` of one that was never up stops no engine that is in use."""
    private_machine.environment("image", "base")
    users = private_machine.home / "state/devcluster/engine/clusters"
    users.mkdir()
    (users / "first").touch()

    private_machine.devcluster("down", "--name", "second")

    pid = int((private_machine.home / "state/devcluster/engine/dockerd.pid").read_text())
    os.kill(pid, 0)
    (users / "first").unlink()
