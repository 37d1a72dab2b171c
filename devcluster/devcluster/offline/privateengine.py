"""The private Docker engine: Debian's, unpacked into the cache and never installed.

It shares the host's network, so that what a cluster publishes is on 127.0.0.1; its mounts are in a
mount namespace of its own and go with its last process. Its images are kept when it stops.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from devcluster import disk, paths, processes, progress
from devcluster.engine import Engine, machine_engine
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.locking import locked
from devcluster.offline import debian, hostcleanup
from devcluster.offline.hostcleanup import HostState
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

# Below the packages' root: programs for the engine, and the client alone, which can go first on a
# user's PATH.
_BIN = "devcluster-bin"
_CLIENT = "devcluster-client"
_RUNTIME = "runc-capfilter"
_LINKS = {
    **{
        f"{_BIN}/{family}{suffix}": "usr/sbin/xtables-nft-multi"
        for family in ("iptables", "ip6tables")
        for suffix in ("", "-save", "-restore")
    },
    f"{_BIN}/nft": "usr/sbin/nft",
    f"{_CLIENT}/docker": "usr/bin/docker",
}

_KIND_LABEL = "io.x-k8s.kind.cluster"
_START_SECONDS = 30.0
_STOP_SECONDS = 60.0
_END_SECONDS = 30.0
_POLL_SECONDS = 0.05


# The packages


def is_unpacked() -> bool:
    """Whether the private engine's packages are in the cache."""
    return debian.is_unpacked(_PACKAGES, _OPTIONAL_PACKAGES)


def packages_folder() -> Path:
    """Return the path of the private engine's packages, fetched or not."""
    return debian.folder_of(_PACKAGES, _OPTIONAL_PACKAGES)


def tools_root() -> Path:
    """Return the folder with the unpacked packages, fetched if they are missing."""
    root = debian.unpacked(_PACKAGES, _OPTIONAL_PACKAGES, what="Debian's Docker engine")
    for name, target in _LINKS.items():
        link = root / name
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            with contextlib.suppress(FileExistsError):  # made by another process just now
                link.symlink_to(root / target)
    runtime = root / _BIN / _RUNTIME
    script = (paths.DATA / "host" / _RUNTIME).read_text()
    if not runtime.exists() or runtime.read_text() != script:
        runtime.write_text(script)
        runtime.chmod(0o755)
    return root


def tools_environment() -> dict[str, str]:
    """Return the variables with which the engine's programs and network tools run."""
    root = tools_root()
    libraries = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    programs = (root / _BIN, root / "usr/bin", root / "usr/sbin")

    def joined(folders: Iterable[Path]) -> str:
        return os.pathsep.join(str(folder) for folder in folders if folder.is_dir())

    return {
        "PATH": os.pathsep.join(
            [*map(str, programs), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
        ),
        "LD_LIBRARY_PATH": joined(libraries),
        "XTABLES_LIBDIR": joined(folder / "xtables" for folder in libraries),
        "RUNC": str(root / "usr/sbin/runc"),
    }


# Start and stop


def running_engine() -> Engine | None:
    """Return the private engine if it runs."""
    if not _dockerd() or not paths.engine_socket().is_socket():
        return None
    engine = _client()
    return engine if engine.answers() else None


def start_engine(cluster: str = "") -> Engine:
    """Start the private engine, or return it if it runs. Raises DevclusterError.

    With `cluster`, note that this cluster uses it, so that no other's `down` stops it.
    """
    if os.uname().sysname != "Linux":
        raise DevclusterError(
            "No Docker engine answers.", "Install Docker (Docker Desktop, Colima, …) and start it."
        )
    if os.geteuid() != 0:
        raise DevclusterError(
            "No Docker engine answers, and a private one can only be started by root.",
            "Start Docker, or add yourself to the group docker, or run this with sudo.",
        )
    with locked("engine"):
        if cluster:
            _users().mkdir(parents=True, exist_ok=True)
            (_users() / cluster).touch()
        return _start()


def release_engine(cluster: str) -> None:
    """Note that a cluster no longer uses the private engine, and stop it if none does."""
    with locked("engine"):
        (_users() / cluster).unlink(missing_ok=True)
        if not engine_users():
            _stop()


def stop_unused_engine() -> None:
    """Stop the private engine if no cluster uses it."""
    with locked("engine"):
        if not engine_users():
            _stop()


def engine_users() -> list[str]:
    """Return the clusters that use the private engine."""
    return sorted(path.name for path in _users().glob("*"))


def _client() -> Engine:
    root = tools_root()
    return Engine(
        docker=root / "usr/bin/docker",
        private=True,
        environment={
            "DOCKER_HOST": f"unix://{paths.engine_socket()}",
            "DOCKER_BUILDKIT": "1",
            # The machine's own settings of the client are for another engine.
            "DOCKER_CONTEXT": "",
            "DOCKER_CONFIG": str(paths.engine() / "client"),
        },
        path=(root / _CLIENT,),
    )


def _start() -> Engine:
    engine = _client()
    if _dockerd() and engine.answers():
        return engine
    if machine_engine() is not None:
        raise DevclusterError(
            "A Docker engine runs here already: two would undo each other's network rules.",
            "Use that one (--engine docker), or stop it first.",
        )
    with progress.step("Starting a private Docker engine", expected_seconds=2):
        _end_crashed()
        _record_host_state()
        process = _spawn()
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


def _spawn() -> Process:
    state = paths.engine()
    (state / "client").mkdir(parents=True, exist_ok=True)
    _remove_stale(paths.engine_socket(), _pid_file())
    # Nothing in it outlives an engine but the process ids of one that crashed.
    shutil.rmtree(_exec_root(), ignore_errors=True)
    return processes.start(
        "dockerd",
        [
            *("unshare", "--mount", "--propagation", "slave", "--"),
            *("dockerd", "--config-file", ""),
            *("--host", f"unix://{paths.engine_socket()}", "--pidfile", _pid_file()),
            *("--data-root", data_root(), "--exec-root", _exec_root()),
            *("--add-runtime", f"capfilter={tools_root() / _BIN / _RUNTIME}"),
            *("--default-runtime", "capfilter"),
        ],
        env=tools_environment(),
        cwd=Path("/"),
        log=_log(),
    )


def _stop() -> None:
    """End the engine and its containers; remove what it made outside its folders."""
    if not _host_state_file().exists():
        return
    engine = _client()
    with progress.step("Stopping the private Docker engine", expected_seconds=3) as step:
        if not engine.answers() and _containers():
            # It crashed. Only an engine can remove its containers for good.
            _start()
        if engine.answers():
            if foreign := _kind_clusters(engine):
                _warn_that_it_keeps_running(foreign)
                return
            if containers := engine.output("ps", "--all", "--quiet").split():
                engine.output("rm", "--force", "--volumes", *containers, timeout=_STOP_SECONDS)
            # A bridge of kind's; the next cluster recreates it.
            with contextlib.suppress(CommandFailed):
                engine.output("network", "rm", "kind")
        processes.end(_dockerd(), seconds=_END_SECONDS)
        _end_crashed()
        step.update("cleaning up")
        tools = tools_environment()
        now = HostState.now(tools)
        before = (_host_state() or now).after_boot(now)
        removed = hostcleanup.clean(before, tools)
        left = hostcleanup.leftovers(before, tools)
    _remove_stale(paths.engine_socket(), _pid_file(), _host_state_file())
    if removed:
        progress.say(f"Removed what the engine left: {', '.join(removed)}")
    for item in left:
        progress.warn(f"New since the engine was started, and not known to be the engine's: {item}")


def _kind_clusters(engine: Engine) -> list[str]:
    template = '{{.Label "' + _KIND_LABEL + '"}}'
    labels = engine.output("ps", "--all", "--filter", f"label={_KIND_LABEL}", "--format", template)
    return sorted(set(labels.split()))


def _warn_that_it_keeps_running(clusters: list[str]) -> None:
    progress.warn(
        "The private Docker engine keeps running: it has kind clusters that were not made here: "
        f"{', '.join(clusters)}. To delete one, then the engine: "
        f"DOCKER_HOST=unix://{paths.engine_socket()} "
        f"kind delete cluster --name {clusters[0]}; devcluster down --all"
    )


def _remove_stale(*files: Path) -> None:
    for file in files:
        file.unlink(missing_ok=True)


# The host's state before the engine


def _record_host_state() -> None:
    """Record the host's state; what a crashed engine left counts as not there."""
    record = _host_state_file()
    record.parent.mkdir(parents=True, exist_ok=True)
    now = HostState.now(tools_environment())
    before = _host_state()
    disk.write_whole(record, (before.after_boot(now) if before else now).to_json())


def _host_state() -> HostState | None:
    """Read the host's state before the engine; None where that is not known."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return HostState.from_json(_host_state_file().read_text())
    return None


# Its processes


def _dockerd() -> list[Process]:
    """Find the private engine's own process."""
    return _find_processes("dockerd", f"unix://{paths.engine_socket()}")


def _find_processes(program: str, argument: str) -> list[Process]:
    """Return the processes of a program that have `argument` in one of their arguments."""

    def is_it(folder: Path) -> bool:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        return program in Path(words[0]).name and any(argument in word for word in words[1:])

    return processes.matching(is_it)


def _end_crashed() -> None:
    """End what a crashed engine left running: a new one can't take it over."""
    # Its containerd, and the shims of its containers.
    helpers = _find_processes("containerd", str(_exec_root()))
    processes.end([*_dockerd(), *helpers], seconds=_END_SECONDS, politely=False)
    if containers := _containers():

        def is_in_one(folder: Path) -> bool:
            groups = (folder / "cgroup").read_text()
            return any(container in groups for container in containers)

        processes.end(processes.matching(is_in_one), seconds=_END_SECONDS, politely=False)


def _containers() -> list[str]:
    """Return the ids of the containers that the engine has on its disk."""
    return [folder.name for folder in (data_root() / "containers").glob("*")]


# Its files


def data_root() -> Path:
    """Return the folder of the private engine's images: in the cache, so that they outlive it."""
    return paths.cache() / "engine"


def _exec_root() -> Path:
    return paths.engine() / "exec"


def _pid_file() -> Path:
    return paths.engine() / "dockerd.pid"


def _log() -> Path:
    return paths.engine() / "dockerd.log"


def _host_state_file() -> Path:
    return paths.engine() / "before.json"


def _users() -> Path:
    return paths.engine() / "clusters"
