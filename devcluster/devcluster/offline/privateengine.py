"""The private Docker engine: Debian's, unpacked into the cache and never installed.

It shares the host's network, so that what a cluster publishes is on 127.0.0.1; its mounts are in a
mount namespace of its own and go with its last process. Its images are kept when it stops.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster import disk, paths, processes, progress
from devcluster.engine import Engine, machine_engine
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.locking import locked
from devcluster.offline import debian, hostcleanup
from devcluster.offline.hostcleanup import Footprint
from devcluster.processes import Process

_PACKAGES = (
    *("docker.io", "containerd", "runc", "tini", "libdevmapper1.02.1", "libseccomp2"),
    *("iptables", "libxtables12", "libip4tc2", "libip6tc2", "libnftnl11", "libmnl0"),
    *("libnetfilter-conntrack3", "libnfnetlink0"),
    *("nftables", "libnftables1", "libjansson4", "libedit2", "libgmp10", "libbsd0", "libmd0"),
    "mmdebstrap",
)
# Later releases of Debian have these in packages of their own.
_OPTIONAL_PACKAGES = ("docker-cli", "docker-buildx")

_LINKS = {
    **{
        f"{family}{suffix}": "usr/sbin/xtables-nft-multi"
        for family in ("iptables", "ip6tables")
        for suffix in ("", "-save", "-restore")
    },
    "nft": "usr/sbin/nft",
}

_START_SECONDS = 30.0
_STOP_SECONDS = 60.0
_END_SECONDS = 30.0
_POLL_SECONDS = 0.05


def running_engine() -> Engine | None:
    """Return the private engine if it runs."""
    if not _processes() or not paths.engine_socket().is_socket():
        return None
    engine = _private_engine(_tools())
    return engine if engine.answers() else None


def start_engine(cluster: str = "") -> Engine:
    """Start the private engine, or return it if it runs. Raises DevclusterError.

    With `cluster`, note that this cluster needs it, so that no other's `down` stops it.
    """
    _check_machine()
    with locked("engine"):
        if cluster:
            _users().mkdir(parents=True, exist_ok=True)
            (_users() / cluster).touch()
        return _started()


def _check_machine() -> None:
    if os.uname().sysname != "Linux":
        raise DevclusterError(
            "No Docker engine answers.", "Install Docker (Docker Desktop, Colima, …) and start it."
        )
    if os.geteuid() != 0:
        raise DevclusterError(
            "No Docker engine answers, and a private one can only be started by root.",
            "Start Docker, or add yourself to the group docker, or run this with sudo.",
        )


@dataclass(frozen=True)
class _Tools:
    """The unpacked engine."""

    root: Path
    bin: Path
    runtime: Path

    def environment(self) -> dict[str, str]:
        libraries = [*self.root.glob("usr/lib/*-linux-gnu*"), *self.root.glob("lib/*-linux-gnu*")]
        programs = [self.bin, self.root / "usr/bin", self.root / "usr/sbin"]
        return {
            "PATH": os.pathsep.join(
                [*map(str, programs), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
            ),
            "LD_LIBRARY_PATH": os.pathsep.join(str(path) for path in libraries if path.is_dir()),
            "XTABLES_LIBDIR": os.pathsep.join(
                str(path / "xtables") for path in libraries if (path / "xtables").is_dir()
            ),
            "RUNC": str(self.root / "usr/sbin/runc"),
        }


def _tools() -> _Tools:
    unpacked = debian.unpacked(_PACKAGES, _OPTIONAL_PACKAGES)
    bin_folder = unpacked.root / "devcluster-bin"
    bin_folder.mkdir(exist_ok=True)
    for name, target in _LINKS.items():
        _link(bin_folder / name, unpacked.root / target)
    # A folder with nothing but the client in it can go first on a user's PATH.
    client = unpacked.root / "devcluster-client"
    client.mkdir(exist_ok=True)
    _link(client / "docker", unpacked.root / "usr/bin/docker")
    runtime = bin_folder / "runc-capfilter"
    wanted = (paths.DATA / "host/runc-capfilter").read_text()
    if not runtime.exists() or runtime.read_text() != wanted:
        runtime.write_text(wanted)
        runtime.chmod(0o755)
    return _Tools(unpacked.root, bin_folder, runtime)


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink():
        with contextlib.suppress(FileExistsError):  # made by another process just now
            link.symlink_to(target)


def is_unpacked() -> bool:
    """Whether the private engine's packages are in the cache."""
    return debian.is_unpacked(_PACKAGES, _OPTIONAL_PACKAGES)


def packages_folder() -> Path:
    """Return where the private engine's packages are, or are to be."""
    return debian.folder_of(_PACKAGES, _OPTIONAL_PACKAGES)


def tools_root() -> Path:
    """Return the folder with the unpacked packages, fetching them if need be."""
    return _tools().root


def _private_engine(tools: _Tools) -> Engine:
    return Engine(
        docker=tools.root / "usr/bin/docker",
        private=True,
        environment={
            "DOCKER_HOST": f"unix://{paths.engine_socket()}",
            "DOCKER_BUILDKIT": "1",
            # The machine's own settings of the client are for another engine.
            "DOCKER_CONTEXT": "",
            "DOCKER_CONFIG": str(paths.engine() / "client"),
        },
        path=(tools.root / "devcluster-client",),
    )


def _started() -> Engine:
    tools = _tools()
    engine = _private_engine(tools)
    if _processes() and engine.answers():
        return engine
    if machine_engine() is not None:
        raise DevclusterError(
            "A Docker engine runs here already: two would undo each other's network rules.",
            "Use that one (--engine docker), or stop it first.",
        )
    with progress.step("Starting a private Docker engine", expected_seconds=2):
        _end_crashed()
        _record_footprint(tools)
        process = _spawn(tools)
        deadline = time.monotonic() + _START_SECONDS
        while not engine.answers():
            if not process.alive or time.monotonic() > deadline:
                raise CommandFailed(
                    "The private Docker engine did not start.",
                    argv=("dockerd",),
                    tail=processes.tail(_log()),
                    log=_log(),
                )
            time.sleep(_POLL_SECONDS)
    return engine


def _spawn(tools: _Tools) -> Process:
    state = paths.engine()
    state.mkdir(parents=True, exist_ok=True)
    (state / "client").mkdir(exist_ok=True)
    for stale in (paths.engine_socket(), _pid_file()):
        stale.unlink(missing_ok=True)
    # It has nothing that outlives an engine, but the process ids of one that crashed.
    shutil.rmtree(_exec_root(), ignore_errors=True)
    return processes.start(
        "dockerd",
        [
            *("unshare", "--mount", "--propagation", "slave", "--"),
            *("dockerd", "--config-file", ""),
            *("--host", f"unix://{paths.engine_socket()}", "--pidfile", _pid_file()),
            *("--data-root", data_root(), "--exec-root", _exec_root()),
            *("--add-runtime", f"capfilter={tools.runtime}", "--default-runtime", "capfilter"),
        ],
        env=tools.environment(),
        cwd=Path("/"),
        log=_log(),
    )


def _record_footprint(tools: _Tools) -> None:
    """Write down how the machine was; what an engine that crashed left counts as not there."""
    record = _footprint_file()
    record.parent.mkdir(parents=True, exist_ok=True)
    now = Footprint.now(tools.environment())
    before = _footprint()
    disk.write_whole(record, (before.after_boot(now) if before else now).to_json())


def _footprint() -> Footprint | None:
    """Read how the machine was before the engine; None where that is not known."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return Footprint.from_json(_footprint_file().read_text())
    return None


def release_engine(cluster: str) -> None:
    """Note that a cluster needs the private engine no more, and stop it if none does."""
    with locked("engine"):
        (_users() / cluster).unlink(missing_ok=True)
        if not engine_users():
            _stop()


def stop_unused_engine() -> None:
    """Stop the private engine if no cluster needs it."""
    with locked("engine"):
        if not engine_users():
            _stop()


def engine_users() -> list[str]:
    """Return the clusters that need the private engine."""
    return sorted(path.name for path in _users().glob("*"))


def _stop() -> None:
    """End the engine and its containers; take away what it made outside its folders."""
    if not _footprint_file().exists():
        return
    tools = _tools()
    engine = _private_engine(tools)
    with progress.step("Stopping the private Docker engine", expected_seconds=3) as step:
        if not engine.answers() and _containers():
            # It crashed. Only an engine can take its containers away for good.
            _started()
        if engine.answers():
            if foreign := _kind_clusters(engine):
                _say_why_it_goes_on(foreign)
                return
            if containers := engine.output("ps", "--all", "--quiet").split():
                engine.output("rm", "--force", "--volumes", *containers, timeout=_STOP_SECONDS)
            # A bridge of kind's; the next cluster makes it anew.
            with contextlib.suppress(CommandFailed):
                engine.output("network", "rm", "kind")
        processes.end(_processes(), seconds=_END_SECONDS)
        _end_crashed()
        step.update("cleaning up")
        environment = tools.environment()
        now = Footprint.now(environment)
        before = (_footprint() or now).after_boot(now)
        done = hostcleanup.clean(before, environment)
        left = hostcleanup.leftovers(before, environment)
    for stale in (paths.engine_socket(), _pid_file(), _footprint_file()):
        stale.unlink(missing_ok=True)
    if done:
        progress.say(f"Removed what the engine left: {', '.join(done)}")
    for thing in left:
        progress.warn(
            f"New since the engine was started, and not known to be the engine's: {thing}"
        )


def _kind_clusters(engine: Engine) -> list[str]:
    """List the kind clusters in the engine."""
    label = "io.x-k8s.kind.cluster"
    template = '{{.Label "' + label + '"}}'
    listed = engine.output("ps", "--all", "--filter", f"label={label}", "--format", template)
    return sorted(set(listed.split()))


def _say_why_it_goes_on(clusters: Sequence[str]) -> None:
    names = ", ".join(clusters)
    progress.warn(
        "The private Docker engine goes on: it has kind clusters that were not made here: "
        f"{names}. To delete one, then the engine: DOCKER_HOST=unix://{paths.engine_socket()} "
        f"kind delete cluster --name {clusters[0]}; devcluster down --all"
    )


def _processes() -> list[Process]:
    """Find the private engine's own process."""
    return _find(f"unix://{paths.engine_socket()}", "dockerd")


def _orphans() -> list[Process]:
    """Find what works for the private engine: its containerd and the containers' keepers."""
    return _find(str(_exec_root()), "containerd")


def _find(argument: str, program: str) -> list[Process]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if program in Path(words[0]).name and any(argument in word for word in words[1:]):
                found.append(Process.of(program, int(folder.name)))
    return [process for process in found if process.alive]


def _end_crashed() -> None:
    """End what an engine that crashed left running: a new one can't take it over."""
    processes.end([*_processes(), *_orphans()], seconds=_END_SECONDS, politely=False)
    if containers := _containers():
        left = _in_control_groups(containers)
        processes.end(left, seconds=_END_SECONDS, politely=False)


def _containers() -> list[str]:
    """List the ids of the containers that the engine has on its disk."""
    return [folder.name for folder in (data_root() / "containers").glob("*")]


def _in_control_groups(containers: Sequence[str]) -> list[Process]:
    """Find the processes of containers by the control groups that they are in."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cgroup"):
        with contextlib.suppress(OSError):
            groups = file.read_text()
            if any(container in groups for container in containers):
                found.append(Process.of("container", int(file.parent.name)))
    return found


def data_root() -> Path:
    """Where the private engine keeps images: in the cache, so that they outlive it."""
    return paths.cache() / "engine"


def _exec_root() -> Path:
    return paths.engine() / "exec"


def _pid_file() -> Path:
    return paths.engine() / "dockerd.pid"


def _log() -> Path:
    return paths.engine() / "dockerd.log"


def _footprint_file() -> Path:
    return paths.engine() / "before.json"


def _users() -> Path:
    return paths.engine() / "clusters"
