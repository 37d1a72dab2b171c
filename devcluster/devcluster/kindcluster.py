"""Kind clusters, made by the real `kind`: bring one up, load images, take it down.

    cluster = up("bookstore")
    cluster.load(["api:1"])
    cluster.environment()  # for kubectl, docker and builds
    cluster.down()

A cluster's record says which engine and which images it was made with, so that later commands need
not probe for them. The kubeconfig is a file of devcluster's own; the user's is never touched.
"""

import contextlib
import functools
import json
import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from devcluster import (
    binaries,
    disk,
    metricsserver,
    networkpolicies,
    offline,
    paths,
    progress,
    run,
)
from devcluster.engine import Engine, EngineChoice, machine_engine
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.images import ImageSource, PulledImages, Role, pulled_node
from devcluster.locking import locked
from devcluster.status import Status

DEFAULT_NAME = "bookstore"
# The node port that is published on this machine, and the first port that is tried for it.
NODE_PORT = 30080
DEFAULT_PORT = 8080
_PORTS_TRIED = 100

_CREATE_SECONDS = 20
_WAIT = "180s"
_RESTART_SECONDS = 90.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Record:
    """What is written down of a cluster; `ready` is set once it has been created."""

    private: bool
    pulls: bool
    image: str
    port: int
    ready: bool = False


class KindCluster:
    """A kind cluster that was brought up here; it looks up its engine and images only once.

    `images` are where its images come from; None: what its record says.
    """

    def __init__(self, name: str, record: Record | None, images: ImageSource | None = None) -> None:
        self.name = name
        self._record = record
        self._given_images = images
        self._folder = paths.cluster(name)

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig file of an administrator."""
        return self._folder / "kubeconfig"

    @property
    def url(self) -> str:
        """Where node port 30080 is on this machine."""
        return f"http://127.0.0.1:{self.record.port}"

    @property
    def record(self) -> Record:
        """What is written down of it. Raises DevclusterError if there is no such cluster."""
        if self._record is None:
            raise DevclusterError(
                f"There is no kind cluster {self.name}.",
                f"Bring it up: devcluster up --name {self.name}",
            )
        return self._record

    def status(self) -> Status:
        """Return its state: running if its API server answers."""
        engine = (
            "a private Docker engine" if self.record.private else "this machine's Docker engine"
        )
        kubectl = self._folder / "bin" / "kubectl"
        state = "running" if self.record.ready and self._answers(kubectl) else "stopped"
        return Status(self.name, state, f"kind, in {engine}", self.url, str(self.kubeconfig))

    def node_port_url(self, node_port: int) -> str:
        """Return where a published node port is on this machine. Raises CommandFailed if it is not.

        Node ports after 30080 are published if the cluster was brought up with `more_ports`.
        """
        node = f"{self.name}-control-plane"
        published = self._engine.output("port", node, f"{node_port}/tcp")
        return f"http://{published.split()[0]}"

    def environment(self) -> dict[str, str]:
        """Return the variables with which docker, kind, kubectl and builds use this cluster.

        PATH is complete, with the cluster's programs first. Missing base images are made. Raises
        DevclusterError.
        """
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": run.path_with([self._folder / "bin"]),
            **self._engine.environment,
            **{role.value: image for role, image in self._base_images.items()},
            "DEVCLUSTER_URL": self.url,
        }

    def load(self, images: Iterable[str]) -> None:
        """Put images of the engine onto the node; missing ones are pulled where that is possible.

        Raises DevclusterError.
        """
        names = list(images)
        for image in names:
            if self._images.pulls:
                self._engine.pull(image)
            elif not self._engine.has_image(image):
                raise DevclusterError(
                    f"The Docker engine has no image {image}.",
                    f"Build it first, in the environment of: devcluster env --name {self.name}",
                )
        if not names:
            return
        # In one call, which loads the layers that they share only once.
        title = f"Loading {names[0]}" if len(names) == 1 else f"Loading {len(names)} images"
        with progress.step(title, expected_seconds=3 + 2 * len(names)):
            try:
                self._kind("load", "docker-image", *names, "--name", self.name)
            except CommandFailed as error:
                if "content digest" not in error.tail:
                    raise
                self._load_one_platform(names)

    def down(self) -> None:
        """Take the cluster down with all that belongs to it. Raises DevclusterError.

        The private engine is stopped with its last cluster, and its traces are removed.
        """
        with locked(_lock(self.name)):
            self._delete()

    def _delete(self) -> None:
        with progress.step(f"Deleting the cluster {self.name}", expected_seconds=4):
            self._kind("delete", "cluster", "--name", self.name)
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._engine.private:
            offline.release_engine(self.name)

    def _load_one_platform(self, images: Sequence[str]) -> None:
        """Load images that were pulled into an engine with containerd's image store.

        It has only this machine's platform of them, and kind asks for all (its issue 3795).
        """
        platform = self._engine.output("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
        with disk.scratch() as folder:
            archive = folder / "images.tar"
            save = ("save", f"--platform={platform}", "--output", str(archive), *images)
            self._engine.output(*save, timeout=600)
            self._kind("load", "image-archive", str(archive), "--name", self.name)

    def _is_usable(self) -> bool:
        """Whether the cluster is up; one that does not work is deleted first."""
        exists = self.name in self._run_kind("get", "clusters").split()
        if not exists:
            return False
        if self._record is None:
            raise DevclusterError(
                f"There is a kind cluster called {self.name} that was not made here.",
                f"Choose another name, or delete it: kind delete cluster --name {self.name}",
            )
        if self._record.ready and (self._answers(self._programs["kubectl"]) or self._restart()):
            return True
        progress.say(f"The cluster {self.name} exists but does not work: recreating it.")
        self._kind("delete", "cluster", "--name", self.name)
        return False

    def _answers(self, kubectl: Path) -> bool:
        ready = ("get", "--raw", "/readyz", "--request-timeout=10s")
        config = ("--kubeconfig", self.kubeconfig)
        return self.kubeconfig.exists() and run.run_ok([kubectl, *config, *ready])

    def _restart(self) -> bool:
        """Start the node, which a reboot has stopped, or wait while it starts.

        Return whether the cluster answers in the end.
        """
        ready = ("wait", "--for=condition=Ready", "node", "--all", "--timeout=5s")
        with progress.step(f"Starting the cluster {self.name} again", _CREATE_SECONDS):
            try:
                self._engine.output("start", f"{self.name}-control-plane")
            except CommandFailed:
                return False
            deadline = time.monotonic() + _RESTART_SECONDS
            while time.monotonic() < deadline:
                if run.run_ok([*self._kubectl, *ready]):
                    return True
                time.sleep(_POLL_SECONDS)
        return False

    def _create(self, port: int | None, more_ports: int, workers: int) -> None:
        image = self._images.node()
        _ = self._base_images  # made now, so that the first `env` is quick
        self._link_programs()
        self._reserve_port(port, image)
        title = f"Creating the cluster {self.name}"
        with progress.step(title, expected_seconds=_CREATE_SECONDS) as step:
            configuration = self._folder / "kind.yaml"
            configuration.write_text(
                kind_configuration(
                    self.record.port, more_ports, workers, own_node_image=not self.record.pulls
                )
            )
            try:
                self._kind(
                    *("create", "cluster", "--name", self.name),
                    *("--image", image, "--config", str(configuration)),
                    *("--kubeconfig", str(self.kubeconfig), "--wait", _WAIT),
                    step=step,
                )
            except CommandFailed as error:
                error.hint = error.hint or (
                    "Try again: a half-made cluster is recognized and recreated. "
                    f"If it fails again: devcluster down --name {self.name}"
                )
                raise
        self._write(replace(self.record, ready=True))

    def _reserve_port(self, port: int | None, image: str) -> None:
        # Chosen and written down under one lock: another `up` may be choosing, too.
        with locked("ports"):
            if port is not None:
                _reject_taken(port, self.name)
            taken = {record.port for record in _records(but=self.name).values()}
            chosen = port or free_port(DEFAULT_PORT, taken)
            self._write(Record(self._engine.private, self._images.pulls, image, chosen))

    def _write(self, record: Record) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        disk.write_whole(self._folder / "kind.json", json.dumps(asdict(record), indent=2))
        self._record = record

    def _link_programs(self) -> None:
        """Fill the folder that comes first on PATH with what clients use, and nothing else."""
        folder = self._folder / "bin"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        programs = dict(self._programs)
        if self._engine.private:
            programs["docker"] = self._engine.docker
        for program, path in programs.items():
            (folder / program).symlink_to(path)

    def add_metrics(self, *, wait: bool = True) -> None:
        """Install the metrics server, or bring it up to date; `wait` until it serves metrics.

        Raises DevclusterError.
        """
        image = self._images.metrics_server()
        if not self._images.pulls:
            self._kind("load", "docker-image", image, "--name", self.name)
        metricsserver.install(image, self._kubectl, wait=wait)

    def enforce_network_policies(self) -> None:
        """Install what enforces network policies, unless kind's own node image is used.

        A node that was restarted needs it again. Raises DevclusterError.
        """
        image = self._images.network_policies()
        if image is None:
            return
        self._kind("load", "docker-image", image, "--name", self.name)
        nodes = self._run_kind("get", "nodes", "--name", self.name).split()
        networkpolicies.install(image, self._kubectl, self._engine, nodes)

    @functools.cached_property
    def _images(self) -> ImageSource:
        """Where its images come from. Raises DevclusterError if its engine does not answer."""
        if self._given_images is not None:
            return self._given_images
        if self.record.private:
            return _local_images(offline.running_engine() or offline.start_engine(self.name))
        own = machine_engine()
        if own is None:
            raise DevclusterError(
                f"The cluster {self.name} is in this machine's Docker engine, "
                "which does not answer.",
                "Start Docker (is DOCKER_HOST what it was?), then try again.",
            )
        return PulledImages(own) if self.record.pulls else _local_images(own)

    @property
    def _engine(self) -> Engine:
        return self._images.engine

    @functools.cached_property
    def _programs(self) -> dict[str, Path]:
        return binaries.ensure(["kind", "kubectl"])

    @functools.cached_property
    def _base_images(self) -> dict[Role, str]:
        return self._images.base(Role)

    @property
    def _kubectl(self) -> list[str]:
        return [str(self._programs["kubectl"]), "--kubeconfig", str(self.kubeconfig)]

    def _kind(self, *arguments: str, step: progress.Step | None = None) -> None:
        """Run kind; all that it prints is in the cluster's log."""
        run.run(
            [self._programs["kind"], *arguments],
            env=self._kind_environment,
            log=paths.logs() / f"kind-{self.name}.log",
            on_line=lambda line: step.update(line.strip(" •✓")) if step else None,
            timeout=900,
        )

    def _run_kind(self, *arguments: str) -> str:
        return run.output([self._programs["kind"], *arguments], env=self._kind_environment)

    @property
    def _kind_environment(self) -> dict[str, str]:
        return {
            **self._engine.environment,
            "PATH": run.path_with(self._engine.path),
            "KIND_EXPERIMENTAL_PROVIDER": "docker",
            # Where kind writes by default; `delete` takes the entry out of it again.
            "KUBECONFIG": str(self.kubeconfig),
        }


def up(  # noqa: PLR0913 - one argument per property of a cluster
    name: str = DEFAULT_NAME,
    *,
    port: int | None = None,
    more_ports: int = 0,
    workers: int = 0,
    metrics: bool = False,
    network_policies: bool = False,
    choice: EngineChoice | None = None,
) -> KindCluster:
    """Bring a cluster up; one that is up is left as it is, a half-made one is recreated.

    `port` on 127.0.0.1 leads to node port 30080; without it the first free one from 8080. The
    `more_ports` node ports after that are published, too: `KindCluster.node_port_url`. There are as
    many nodes more as `workers`; such a cluster does not survive a reboot.
    `metrics` adds the metrics server, `network_policies` enforces them. Raises DevclusterError.
    """
    paths.check_name(name)
    with locked(_lock(name)):
        record = _read(name)
        if port is not None and record is None:
            _reject_taken(port, name)
        is_finished = record is not None and record.ready
        images = None if is_finished else _choose_images(choice, name)
        cluster = KindCluster(name, record, images)
        with _made_meanwhile(cluster._images.metrics_server if metrics else None):
            if not cluster._is_usable():
                cluster._create(port, more_ports, workers)
            elif record is not None and port is not None and port != record.port:
                progress.warn(f"{name} is up already, on port {record.port}; it keeps that port.")
        if metrics:
            cluster.add_metrics()
        if network_policies:
            cluster.enforce_network_policies()
    return cluster


@contextlib.contextmanager
def _made_meanwhile(make: Callable[[], object] | None) -> Iterator[None]:
    """Make something that takes long while the block runs; raises what `make` does at its end."""
    if make is None:
        yield
        return
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(make)
        yield
        making.result()


def get(name: str = DEFAULT_NAME) -> KindCluster:
    """Return a cluster that was brought up here. Raises DevclusterError if there is none."""
    cluster = KindCluster(name, _read(name))
    if not cluster.record.ready:
        raise DevclusterError(
            f"The cluster {name} is only half made.", f"Recreate it: devcluster up --name {name}"
        )
    return cluster


def down(name: str = DEFAULT_NAME) -> None:
    """Take a cluster down as `KindCluster.down` does; nothing to take down is no error.

    Raises DevclusterError.
    """
    paths.check_name(name)
    with locked(_lock(name)):
        record = _read(name)
        if record is not None:
            KindCluster(name, record)._delete()
        else:
            progress.say(f"There is no cluster {name}.")
            offline.release_engine(name)


def prepare(*, metrics: bool = False, choice: EngineChoice | None = None) -> None:
    """Make what takes long, without a cluster. A private engine runs on until the next `down`.

    Raises DevclusterError.
    """
    images = _choose_images(choice)
    binaries.ensure(["kind", "kubectl"])
    images.node()
    images.base(Role)
    if metrics:
        images.metrics_server()


def image_environment(roles: Sequence[Role], choice: EngineChoice | None = None) -> dict[str, str]:
    """Make the images of these roles, without a cluster, and return the variables to use them.

    A private engine runs on until the next `down`. Raises DevclusterError.
    """
    images = _choose_images(choice)
    names = {role.value: name for role, name in images.base(roles).items()}
    if images.pulls:
        return names
    return {"PATH": run.path_with(images.engine.path), **images.engine.environment, **names}


def status() -> list[Status]:
    """Return the state of each cluster that was brought up here."""
    return [KindCluster(name, record).status() for name, record in _records().items()]


# Engine and images


def choose(choice: EngineChoice) -> tuple[Engine | None, bool]:
    """Return the machine's own engine if it is to be used, and whether images can be pulled.

    Raises DevclusterError if it is asked for and does not answer.
    """
    own = None if choice is EngineChoice.PRIVATE else machine_engine()
    if own is None and choice is EngineChoice.DOCKER:
        raise DevclusterError(
            "No Docker engine answers.",
            "Start Docker, or choose --engine private (Linux, as root).",
        )
    return own, own is not None and _can_pull(own)


def _can_pull(docker: Engine) -> bool:
    """Whether kind's node image is there, or the client gets an answer from its registry."""
    node = pulled_node()
    if docker.has_image(node):
        return True
    with contextlib.suppress(CommandFailed):
        return bool(docker.output("manifest", "inspect", node, timeout=20))
    return False


def _choose_images(choice: EngineChoice | None, cluster: str = "") -> ImageSource:
    """Choose where images come from, and start a private engine for `cluster` if it takes one."""
    own, pulls = choose(choice or EngineChoice.from_environment())
    if own is not None and pulls:
        return PulledImages(own)
    _announce(own)
    return _local_images(own or offline.start_engine(cluster))


def _local_images(docker: Engine) -> ImageSource:
    return offline.LocalImages(docker, binaries.ensure)


def _announce(own: Engine | None) -> None:
    """Say what is going to be made and why; nothing where all is in the cache."""
    steps = offline.missing_parts(binaries.cached, engine=own is None)
    if steps:
        reason = "no image can be pulled" if own else "no Docker engine answers"
        progress.say(f"On this machine {reason}. What is missing is made here, once:")
        for number, step in enumerate(steps, 1):
            progress.say(f"  {number}. {step}")
        progress.say(f"It goes into {paths.cache()}; nothing is installed.")


# Configuration and ports


def kind_configuration(
    port: int, more_ports: int = 0, workers: int = 0, *, own_node_image: bool
) -> str:
    """Return kind's configuration of a cluster, with ports published for this machine only.

    With our own node image the controller manager, which provisions volumes there, gets the folder
    on the node's disk that they are in.
    """
    # kind takes any free port for 0.
    mappings = "".join(
        f"""\
  - containerPort: {node_port}
    hostPort: {host_port}
    listenAddress: 127.0.0.1
"""
        for node_port, host_port in enumerate([port, *[0] * more_ports], NODE_PORT)
    )
    configuration = f"""\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking:
  ipFamily: ipv4
  apiServerAddress: 127.0.0.1
nodes:
- role: control-plane
  extraPortMappings:
{mappings}"""
    configuration += "- role: worker\n" * workers
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

    Raises DevclusterError if none of the first hundred is.
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


def _reject_taken(port: int, name: str) -> None:
    """Raise DevclusterError if a requested port belongs to another cluster or program."""
    others = _records(but=name).items()
    owner = next((other for other, record in others if record.port == port), None)
    if owner is not None or not _is_free(port):
        by = f"the cluster {owner}" if owner else "another program on this machine"
        raise DevclusterError(
            f"Port {port} on 127.0.0.1 is taken by {by}.",
            "Choose another with --port; without it the first free one "
            f"from {DEFAULT_PORT} on is taken.",
        )


# Records


def _lock(name: str) -> str:
    return f"cluster-{name}"


def _records(but: str = "") -> dict[str, Record]:
    """Return the records of all clusters that were brought up here, without that of `but`."""
    names = sorted(file.parent.name for file in paths.clusters().glob("*/kind.json"))
    return {name: record for name in names if name != but and (record := _read(name))}


def _read(name: str) -> Record | None:
    try:
        return Record(**json.loads((paths.cluster(name) / "kind.json").read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        # Cut short by a power failure: a half-made cluster, whichever engine it is in.
        return Record(private=name in offline.engine_users(), pulls=False, image="", port=0)
