"""What this machine has and lacks, with the command that installs what is missing."""

import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from devcluster import binaries, controlplane, disk, download, offline, paths, releases, run
from devcluster.engine import machine_engine
from devcluster.errors import CommandFailed, DevclusterError

_GIB = 1 << 30
_NEEDED_GO = (1, 21)


class Outcome(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    MISSING = "missing"
    NOTE = "note"


@dataclass(frozen=True)
class Check:
    """One thing that was checked; `hint` says what to do where it is missing."""

    outcome: Outcome
    what: str
    hint: str = ""


def control_plane() -> list[Check]:
    """Check what `up --control-plane` needs."""
    return [*_linux(), *_programs(controlplane.PROGRAMS), *_disk(disk.CONTROL_PLANE_GIB)]


def kind() -> list[Check]:
    """Check what `up` needs: a Docker engine, or what a private one is made from."""
    own = machine_engine()
    if own is not None:
        engine = Check(Outcome.OK, f"Docker engine ({own.docker})")
        return [engine, *_programs(("kind", "kubectl")), *_disk(disk.OWN_ENGINE_GIB)]
    client = run.which("docker")
    without = "the docker client is there, but no engine answers" if client else "none"
    return [
        Check(
            Outcome.NOTE, f"Docker engine: {without}; a private one is made from Debian's packages"
        ),
        *_linux(),
        *(_required(need.what, need.met, need.hint) for need in offline.engine_requirements()),
        *_programs(("kind", "kubectl", "kubelet", "kubeadm")),
        *_disk(disk.PRIVATE_KIND_GIB),
    ]


def guarded(checks: Callable[[], list[Check]]) -> list[Check]:
    """Run checks; a check that fails to run is a missing thing, not the end of the report."""
    try:
        return checks()
    except DevclusterError as error:
        return [Check(Outcome.MISSING, error.message, error.hint)]


def _required(what: str, met: bool, hint: str) -> Check:
    return Check(Outcome.OK, what) if met else Check(Outcome.MISSING, what, hint)


def _linux() -> Iterator[Check]:
    if platform.system() == "Linux":
        yield Check(Outcome.OK, f"Linux {platform.release()}")
    else:
        yield Check(Outcome.MISSING, "Linux", "Use a Linux machine, or start Docker for kind.")


def _programs(names: tuple[str, ...]) -> Iterator[Check]:
    missing = [name for name in names if not binaries.cached(name)]
    if not missing:
        yield Check(Outcome.OK, f"programs in {paths.binaries()}")
        return
    yield Check(Outcome.NOTE, f"to be fetched or built once: {', '.join(missing)}")
    if to_build := [name for name in missing if not _is_downloadable(name)]:
        yield _go(f"Go, to build {', '.join(to_build)}")


def _is_downloadable(name: str) -> bool:
    release = releases.providing(name, releases.system())
    return release is not None and download.is_reachable(release.url)


def _go(what: str) -> Check:
    go = run.which("go")
    if go is None:
        return Check(Outcome.MISSING, what, offline.GO_HINT)
    try:
        printed = run.output([go, "version"])
    except CommandFailed as error:
        return Check(Outcome.MISSING, f"{what}: {error.message}", offline.GO_HINT)
    version = re.search(r"go(\d+)\.(\d+)", printed)
    if version is None or (int(version[1]), int(version[2])) < _NEEDED_GO:
        return Check(Outcome.MISSING, f"{what}: {printed} is too old", offline.GO_HINT)
    return Check(Outcome.OK, f"Go ({printed})")


def _disk(gibibytes: int) -> Iterator[Check]:
    for folder in dict.fromkeys((paths.cache(), paths.state())):
        free = disk.free_bytes(folder) / _GIB
        yield _required(
            f"{gibibytes} GiB free for {folder} ({free:.0f} GiB are)",
            free >= gibibytes,
            "Free some space (devcluster prune), or set XDG_CACHE_HOME and XDG_STATE_HOME "
            "to where there is room.",
        )
