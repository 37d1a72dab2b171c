"""Real clusters, made by the real `kind`: bring one up, load images, take it down.

    up("bookstore") → environment("bookstore") → load("bookstore", ["api:1"]) → down("bookstore")

Which engine and which images a cluster was made with is written down with it, so that later
commands need no probing. The kubeconfig is a file of our own; the user's stays as it is.
"""

import contextlib
import json
import shutil
import socket
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from devcluster import binaries, metricsserver, paths, progress, run, space
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.locking import locked
from devcluster.offline import baseimages, engine, nodeimage
from devcluster.offline.baseimages import Role
from devcluster.offline.engine import Choice, Engine

DEFAULT_NAME = "bookstore"
# The node port that is published on this machine, and where by default.
NODE_PORT = 30080
DEFAULT_PORT = 8080
_PORTS_TRIED = 100

_CREATE_SECONDS = 20
_WAIT = "180s"
_AGAIN_SECONDS = 90.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Provider:
    """Where clusters run: an engine, and whether images are pulled or made here."""

    engine: Engine
    pulls: bool


@dataclass(frozen=True)
class Record:
    """What is written down of a cluster."""

    private: bool
    pulls: bool
    image: str
    port: int
    ready: bool = False


@dataclass(frozen=True)
class Status:
    """How a cluster is: `running` is whether its API server answers."""

    name: str
    running: bool
    engine: str
    url: str
    kubeconfig: Path


def up(
    name: str = DEFAULT_NAME,
    *,
    port: int | None = None,
    metrics: bool = False,
    choice: Choice | None = None,
) -> None:
    """Bring a cluster up; one that is up already is left as it is, a half-made one is made anew.

    `port` on 127.0.0.1 leads to node port 30080; without it the first free one from 8080.
    `metrics` adds the metrics server. Raises DevclusterError.
    """
    paths.check_name(name)
    with locked(f"cluster-{name}"):
        if port is not None and _record_or_none(name) is None:
            _refuse_taken(port, name)
        provider = _provider(name, choice or Choice.from_environment())
        if not _usable(name, provider):
            _create(name, provider, port)
        elif port is not None and port != _record(name).port:
            progress.warn(
                f"{name} is up already, on port {_record(name).port}; that stays as it is."
            )
        if metrics:
            _add_metrics(name, provider)


def down(name: str = DEFAULT_NAME) -> None:
    """Take a cluster down with all that belongs to it; nothing to take down is no error.

    The private engine goes with its last cluster, and all its traces on the machine with it.
    Raises DevclusterError.
    """
    paths.check_name(name)
    with locked(f"cluster-{name}"):
        record = _record_or_none(name)
        if record is not None:
            provider = _engine_of(name, record)
            with progress.step(f"Deleting the cluster {name}", expected_seconds=4):
                _kind(name, provider, "delete", "cluster", "--name", name)
            shutil.rmtree(paths.cluster(name), ignore_errors=True)
        else:
            progress.say(f"There is no cluster {name}.")
        if record is None or record.private:
            engine.release(name)


def load(name: str, images: Iterable[str]) -> None:
    """Put images of the engine onto the cluster's node; ones it lacks are pulled where possible.

    Raises DevclusterError.
    """
    record = _finished_record(name)
    docker = _engine_of(name, record)
    wanted = list(images)
    for image in wanted:
        if not docker.has_image(image):
            if not record.pulls:
                raise DevclusterError(
                    f"The Docker engine has no image {image}.",
                    f"Build it first, in the environment of: devcluster env --name {name}",
                )
            baseimages.pull(docker, image)
    if not wanted:
        return
    # Together: the layers that they share go only once.
    title = f"Loading {wanted[0]}" if len(wanted) == 1 else f"Loading {len(wanted)} images"
    with progress.step(title, expected_seconds=3 + 2 * len(wanted)):
        try:
            _kind(name, docker, "load", "docker-image", *wanted, "--name", name)
        except CommandFailed as error:
            if "content digest" not in error.tail:
                raise
            _load_one_platform(name, docker, wanted)


def _load_one_platform(name: str, docker: Engine, images: Sequence[str]) -> None:
    """Load images that were pulled into an engine with containerd's image store.

    It has this machine's part of them only, and kind asks for all parts (its issue 3795).
    """
    machine = docker.output("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
    with space.scratch() as folder:
        archive = folder / "images.tar"
        docker.output("save", f"--platform={machine}", "--output", archive, *images, timeout=600)
        _kind(name, docker, "load", "image-archive", str(archive), "--name", name)


def prepare(choice: Choice | None = None) -> None:
    """Make what takes long, without a cluster. A private engine runs on until the next `down`.

    Raises DevclusterError.
    """
    provider = _new_provider(choice or Choice.from_environment())
    binaries.ensure(["kind", "kubectl"])
    _node_image(provider)
    if not provider.pulls:
        baseimages.ensure(provider.engine, Role)


def image_environment(roles: Sequence[Role], choice: Choice | None = None) -> dict[str, str]:
    """Make the images of these roles, without a cluster, and return the variables to use them.

    A private engine runs on until the next `down`. Raises DevclusterError.
    """
    provider = _new_provider(choice or Choice.from_environment())
    if provider.pulls:
        return {role.value: baseimages.PULLED[role] for role in roles}
    images = baseimages.ensure(provider.engine, roles)
    return {
        "PATH": run.path_with(provider.engine.path),
        **provider.engine.environment,
        **{role.value: name for role, name in images.items()},
    }


def kubeconfig(name: str = DEFAULT_NAME) -> Path:
    """Return the kubeconfig of a cluster that is up. Raises DevclusterError if there is none."""
    _finished_record(name)
    return _kubeconfig(name)


def environment(name: str = DEFAULT_NAME) -> dict[str, str]:
    """Return the variables with which docker, kind, kubectl and the builds use this cluster.

    PATH is the whole of it, ours first. Base images that are missing are made. Raises
    DevclusterError.
    """
    record = _finished_record(name)
    docker = _engine_of(name, record)
    images = {role: baseimages.PULLED[role] for role in Role}
    if not record.pulls:
        images = baseimages.ensure(docker, Role)
    return {
        "KUBECONFIG": str(_kubeconfig(name)),
        "PATH": run.path_with([paths.cluster(name) / "bin"]),
        **docker.environment,
        **{role.value: image for role, image in images.items()},
        "DEVCLUSTER_URL": f"http://127.0.0.1:{record.port}",
    }


def status() -> list[Status]:
    """Return how each cluster is that was brought up here."""
    return [_status(name) for name in names()]


def names() -> list[str]:
    """Return the names of the kind clusters that were brought up here."""
    return sorted(file.parent.name for file in paths.clusters().glob("*/kind.json"))


def _status(name: str) -> Status:
    record = _record(name)
    return Status(
        name=name,
        running=record.ready and _answers(name),
        engine="a private Docker engine" if record.private else "this machine's Docker engine",
        url=f"http://127.0.0.1:{record.port}",
        kubeconfig=_kubeconfig(name),
    )


# Choosing where


def choose(choice: Choice) -> tuple[Engine | None, bool]:
    """Return the machine's own engine if it is to be used, and whether images can be pulled.

    Raises DevclusterError if it is asked for and does not answer.
    """
    own = None if choice is Choice.PRIVATE else engine.machine_engine()
    if own is None and choice is Choice.DOCKER:
        raise DevclusterError(
            "No Docker engine answers.",
            "Start Docker, or choose --engine private (Linux, as root).",
        )
    return own, own is not None and _can_pull(own)


def _can_pull(docker: Engine) -> bool:
    """Whether kind's node image is there or its registry answers: the client asks it by itself."""
    if docker.has_image(nodeimage.PULLED):
        return True
    with contextlib.suppress(CommandFailed):
        return bool(docker.output("manifest", "inspect", nodeimage.PULLED, timeout=20))
    return False


def _provider(name: str, choice: Choice) -> Provider:
    """Return where a cluster is or is to be, with a private engine started if it takes one."""
    record = _record_or_none(name)
    if record is not None and record.ready:
        return Provider(_engine_of(name, record), record.pulls)
    return _new_provider(choice, name)


def _new_provider(choice: Choice, cluster: str = "") -> Provider:
    own, pulls = choose(choice)
    if own is not None and pulls:
        return Provider(own, pulls=True)
    _announce(own)
    return Provider(own or engine.start_private_engine(cluster), pulls=False)


def _announce(own: Engine | None) -> None:
    """Say beforehand what is going to be made, and why; nothing where all is there."""
    steps = [
        text
        for missing, text in (
            (own is None and not engine.is_unpacked(), "Debian's Docker engine, unpacked"),
            (not nodeimage.is_prepared(), "a kind node image, from Go modules and Debian packages"),
            (not baseimages.is_prepared(), "base images for Python and PostgreSQL, likewise"),
        )
        if missing
    ]
    if steps:
        reason = "no image can be pulled" if own else "no Docker engine answers"
        progress.say(f"On this machine {reason}. What is missing is made here, once:")
        for number, step in enumerate(steps, 1):
            progress.say(f"  {number}. {step}")
        progress.say(f"It goes into {paths.cache()}; nothing is installed.")


def _engine_of(name: str, record: Record) -> Engine:
    """Return the engine that a cluster is in. Raises DevclusterError if it does not answer."""
    if record.private:
        return engine.running_private_engine() or engine.start_private_engine(name)
    own = engine.machine_engine()
    if own is None:
        raise DevclusterError(
            f"The cluster {name} is in this machine's Docker engine, which does not answer.",
            "Start Docker (is DOCKER_HOST what it was?), then try again.",
        )
    return own


# Making one


def _usable(name: str, provider: Provider) -> bool:
    """Whether the cluster is up. One that is only half there is deleted first."""
    exists = name in _known_to_kind(name, provider.engine)
    record = _record_or_none(name)
    if not exists:
        return False
    if record is None:
        raise DevclusterError(
            f"There is a kind cluster called {name} that was not made here.",
            f"Choose another name, or delete it: kind delete cluster --name {name}",
        )
    if record.ready and (_answers(name) or _started_again(name, provider)):
        return True
    progress.say(f"The cluster {name} is there but does not work: making it anew.")
    _kind(name, provider.engine, "delete", "cluster", "--name", name)
    return False


def _started_again(name: str, provider: Provider) -> bool:
    """Start the node of a finished cluster, which a reboot has stopped, or wait while it starts.

    Return whether it answers in the end.
    """
    with progress.step(f"Starting the cluster {name} again", _CREATE_SECONDS):
        try:
            provider.engine.output("start", f"{name}-control-plane")
        except CommandFailed:
            return False
        deadline = time.monotonic() + _AGAIN_SECONDS
        while time.monotonic() < deadline:
            if _answers(name) and _node_is_ready(name):
                return True
            time.sleep(_POLL_SECONDS)
    return False


def _node_is_ready(name: str) -> bool:
    wait = ("wait", "--for=condition=Ready", "node", "--all", "--timeout=5s")
    return run.succeeds([*_kubectl(name), *wait])


def _create(name: str, provider: Provider, port: int | None) -> None:
    image = _node_image(provider)
    if not provider.pulls:
        baseimages.ensure(provider.engine, Role)
    _link_programs(name, provider.engine)
    # Chosen and written down in one go: another `up` may be choosing, too.
    with locked("ports"):
        if port is not None:
            _refuse_taken(port, name)
        taken = {_record(other).port for other in names() if other != name}
        record = Record(
            private=provider.engine.private,
            pulls=provider.pulls,
            image=image,
            port=port or free_port(DEFAULT_PORT, taken),
        )
        _write(name, record)
    with progress.step(f"Creating the cluster {name}", expected_seconds=_CREATE_SECONDS) as step:
        configuration = paths.cluster(name) / "kind.yaml"
        configuration.write_text(kind_configuration(record.port, own_node_image=not record.pulls))
        with _hint_on_failure(name):
            _kind(
                name,
                provider.engine,
                *("create", "cluster", "--name", name, "--image", image),
                *("--config", str(configuration), "--kubeconfig", str(_kubeconfig(name))),
                *("--wait", _WAIT),
                step=step,
            )
    _write(name, replace(record, ready=True))


@contextlib.contextmanager
def _hint_on_failure(name: str) -> Iterator[None]:
    try:
        yield
    except CommandFailed as error:
        error.hint = error.hint or (
            "Try again: what is half made is recognised. "
            f"If it fails again: devcluster down --name {name}"
        )
        raise


def _node_image(provider: Provider) -> str:
    if not provider.pulls:
        return nodeimage.ensure(provider.engine)
    baseimages.pull(provider.engine, nodeimage.PULLED)
    return nodeimage.PULLED


def kind_configuration(port: int, *, own_node_image: bool) -> str:
    """Return kind's configuration of a cluster: one node, its port published for this machine only.

    With our own node image the controller manager, which provisions volumes there, gets the folder
    on the node's disk that they are in.
    """
    configuration = f"""\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking:
  ipFamily: ipv4
  apiServerAddress: 127.0.0.1
nodes:
- role: control-plane
  extraPortMappings:
  - containerPort: {NODE_PORT}
    hostPort: {port}
    listenAddress: 127.0.0.1
"""
    return configuration + (_VOLUMES_PATCH if own_node_image else "")


_VOLUMES_PATCH = """\
kubeadmConfigPatches:
- |
  kind: ClusterConfiguration
  controllerManager:
    # How often it looks for claims without a volume; by default every 15 s.
    extraArgs:
      pvclaimbinder-sync-period: 1s
    extraVolumes:
    - name: volumes
      hostPath: /var/lib/hostpath_pv
      mountPath: /tmp/hostpath_pv
      pathType: Directory
"""


def free_port(first: int, taken: Collection[int] = ()) -> int:
    """Return the first port from `first` on that is not `taken` and free on 127.0.0.1.

    Raises DevclusterError if a hundred are not.
    """
    for port in range(first, first + _PORTS_TRIED):
        if port not in taken and _is_free(port):
            return port
    raise DevclusterError(f"No port is free from {first} on.", "Choose one with --port.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As a server does: a connection that has just ended is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return True  # below 1024: the engine may, where we may not
        except OSError:
            return False
    return True


def _refuse_taken(port: int, name: str) -> None:
    """Raise DevclusterError where a port that was asked for is another program's or cluster's."""
    others = (other for other in names() if other != name)
    owner = next((other for other in others if _record(other).port == port), None)
    if owner is not None or not _is_free(port):
        by = f"the cluster {owner}" if owner else "another program on this machine"
        raise DevclusterError(
            f"Port {port} on 127.0.0.1 is taken by {by}.",
            "Choose another with --port; without it the first free one "
            f"from {DEFAULT_PORT} on is taken.",
        )


def _link_programs(name: str, docker: Engine) -> None:
    """Make the folder that goes first on PATH, with nothing in it but what clients use."""
    folder = paths.cluster(name) / "bin"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    programs = binaries.ensure(["kind", "kubectl"])
    if docker.private:
        programs["docker"] = docker.docker
    for program, path in programs.items():
        (folder / program).symlink_to(path)


def _kind(name: str, docker: Engine, *arguments: str, step: progress.Step | None = None) -> None:
    """Run kind; all that it prints is in the cluster's log."""
    run.run(
        [binaries.ensure(["kind"])["kind"], *arguments],
        env=_kind_environment(name, docker),
        log=paths.logs() / f"kind-{name}.log",
        on_line=(lambda line: step.update(line.strip(" •✓"))) if step else None,
        timeout=900,
    )


def _known_to_kind(name: str, docker: Engine) -> list[str]:
    kind = binaries.ensure(["kind"])["kind"]
    return run.output([kind, "get", "clusters"], env=_kind_environment(name, docker)).split()


def _kind_environment(name: str, docker: Engine) -> dict[str, str]:
    return {
        **docker.environment,
        "PATH": run.path_with(docker.path),
        "KIND_EXPERIMENTAL_PROVIDER": "docker",
        # Where kind writes when told nothing else; `delete` takes the entry out of it again.
        "KUBECONFIG": str(_kubeconfig(name)),
    }


def _kubectl(name: str) -> list[str]:
    kubectl = binaries.ensure(["kubectl"])["kubectl"]
    return [str(kubectl), "--kubeconfig", str(_kubeconfig(name))]


def _answers(name: str) -> bool:
    return _kubeconfig(name).exists() and run.succeeds(
        [*_kubectl(name), "get", "--raw", "/readyz", "--request-timeout=10s"]
    )


def _add_metrics(name: str, provider: Provider) -> None:
    image = metricsserver.PULLED
    if not provider.pulls:
        image = metricsserver.ensure_image(provider.engine)
        _kind(name, provider.engine, "load", "docker-image", image, "--name", name)
    metricsserver.install(image, _kubectl(name))


# What is written down


def _kubeconfig(name: str) -> Path:
    return paths.cluster(name) / "kubeconfig"


def _write(name: str, record: Record) -> None:
    file = paths.cluster(name) / "kind.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    space.write_whole(file, json.dumps(asdict(record), indent=2))


def _record_or_none(name: str) -> Record | None:
    try:
        return Record(**json.loads((paths.cluster(name) / "kind.json").read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        # Cut short by a power failure: a cluster that is only half there, wherever it is.
        return Record(private=name in engine.users(), pulls=False, image="", port=0)


def _record(name: str) -> Record:
    record = _record_or_none(name)
    if record is None:
        raise DevclusterError(
            f"There is no kind cluster {name}.", f"Bring it up: devcluster up --name {name}"
        )
    return record


def _finished_record(name: str) -> Record:
    record = _record(name)
    if not record.ready:
        raise DevclusterError(
            f"The cluster {name} is only half made.", f"Make it anew: devcluster up --name {name}"
        )
    return record
