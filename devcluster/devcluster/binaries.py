"""The programs of a cluster: from the cache, from their published releases, or built.

    ensure(["kube-apiserver", "etcd"]) -> {"kube-apiserver": Path(...), "etcd": Path(...)}

Only what is asked for is fetched or built. Kubernetes, etcd and CoreDNS are built together, as one
program that is known by nine names: nearly all of the time goes into what they share.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from devcluster import download, paths, progress, releases, run, space, versions
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.locking import locked
from devcluster.releases import Release


@dataclass(frozen=True)
class Recipe:
    """How to build one file from Go modules, and the names of the programs that it is.

    `folder` in data/go has its go.mod and go.sum, so that every module is pinned by checksum.
    `packages` and `seconds` (on 2 cores) are for the progress display only.
    """

    folder: str
    version: str
    package: str
    programs: tuple[str, ...]
    packages: int
    seconds: int
    ldflags: str = ""


_COMPONENT = "k8s.io/component-base/version"
_MAJOR, _MINOR = versions.KUBERNETES.removeprefix("v").split(".")[:2]

MULTICALL = Recipe(
    folder="multicall",
    version=versions.KUBERNETES,
    package=".",
    programs=(
        *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
        *("kubelet", "kubeadm", "kubectl", "etcd", "coredns"),
    ),
    packages=2916,
    seconds=300,
    ldflags=(
        f"-X {_COMPONENT}.gitVersion={versions.KUBERNETES} -X {_COMPONENT}.gitTreeState=clean "
        f"-X {_COMPONENT}.gitMajor={_MAJOR} -X {_COMPONENT}.gitMinor={_MINOR}"
    ),
)
RECIPES = (
    MULTICALL,
    Recipe("kind", versions.KIND, "sigs.k8s.io/kind", ("kind",), 292, 25),
    Recipe(
        "kwok",
        versions.KWOK,
        "sigs.k8s.io/kwok/cmd/kwok",
        ("kwok",),
        996,
        85,
        f"-X sigs.k8s.io/kwok/pkg/consts.Version={versions.KWOK}",
    ),
    Recipe(
        "metrics-server",
        versions.METRICS_SERVER,
        "sigs.k8s.io/metrics-server/cmd/metrics-server",
        ("metrics-server",),
        1334,
        135,
        f"-X sigs.k8s.io/metrics-server/pkg/version.gitVersion={versions.METRICS_SERVER}",
    ),
    # For compose.yaml where the docker client has no plugin: a program of its own.
    Recipe(
        "compose",
        versions.COMPOSE,
        "github.com/docker/compose/v2/cmd",
        ("docker-compose",),
        1311,
        130,
        f"-X github.com/docker/compose/v2/internal.Version={versions.COMPOSE}",
    ),
    # For scripts/lint.
    Recipe(
        "actionlint",
        versions.ACTIONLINT,
        "github.com/rhysd/actionlint/cmd/actionlint",
        ("actionlint",),
        106,
        15,
    ),
    Recipe("pause", versions.PAUSE, ".", ("pause",), 60, 5),
)

_BUILD_FLAGS = (
    *("-v", "-trimpath", "-tags=grpcnotrace"),
    # Debug information takes a fifth of the compile time and is thrown away when linking.
    "-gcflags=all=-dwarf=false",
)
_NEEDED_GIGABYTES = 4
GO_HINT = (
    f"Install Go {versions.GO} (1.21 or later fetches that by itself): https://go.dev/dl, "
    "or on Debian 13: apt-get install golang-go"
)
PROGRAMS = tuple(name for recipe in RECIPES for name in recipe.programs)


def ensure(names: Iterable[str], *, build: bool = False) -> dict[str, Path]:
    """Return where each of the programs `names` is, fetching or building what is missing.

    With `build` (or DEVCLUSTER_BUILD=1) nothing is downloaded as a program, only as Go modules.
    All programs built together are hard links of one file. Raises DevclusterError.
    """
    wanted = list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in PROGRAMS]
    if unknown:
        raise ValueError(f"no such program: {', '.join(unknown)}")
    build = build or os.environ.get("DEVCLUSTER_BUILD", "") not in ("", "0")
    found = {name: path for name in wanted if (path := cached(name, build=build))}
    missing = [name for name in wanted if name not in found]
    if missing and not build:
        found |= _from_releases(missing)
        missing = [name for name in wanted if name not in found]
    for recipe in _recipes_for(missing):
        folder = _built(recipe)
        found |= {name: folder / name for name in recipe.programs if name in missing}
    return {name: found[name] for name in wanted}


def cached(name: str, *, build: bool = False) -> Path | None:
    """Return where a program is if it is there already, in the right version."""
    recipe = recipe_of(name)
    candidates = [build_folder(recipe) / name]
    release = releases.providing(name, releases.system())
    if release and not build:
        candidates.append(paths.binaries() / release.name / name)
    # kubectl comes with the server's release too.
    server = releases.providing("kube-apiserver", releases.system())
    if server and name in server.members and not build:
        candidates.append(paths.binaries() / server.name / name)
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


def _from_releases(missing: list[str]) -> dict[str, Path]:
    """Fetch what can be fetched. A host that can't be reached is no error: Go builds it then."""
    found: dict[str, Path] = {}
    pinned: dict[Release, list[str]] = {}
    for name in missing:
        release = releases.providing(name, releases.system())
        if release:
            pinned.setdefault(release, []).append(name)
    for release, names in pinned.items():
        if not download.reachable(release.url):
            continue
        try:
            folder = _fetched(release)
        except download.DownloadError as error:
            progress.warn(f"{error.message} Building instead.")
            continue
        found |= {name: folder / name for name in names}
    return found


def _fetched(release: Release) -> Path:
    folder = paths.binaries() / release.name
    with locked(f"program {release.name}"):
        if not folder.is_dir():
            with (
                progress.step(f"Downloading {release.name}") as step,
                _new_folder(folder) as unfinished,
            ):
                download.fetch(release, unfinished, step.update)
    return folder


def _built(recipe: Recipe) -> Path:
    folder = build_folder(recipe)
    with locked(f"program {recipe.folder}"):
        if not folder.is_dir():
            _build(recipe, folder)
    return folder


def _build(recipe: Recipe, folder: Path) -> None:
    go = run.which("go")
    what = "Kubernetes, etcd and CoreDNS" if recipe is MULTICALL else recipe.folder
    if go is None:
        raise DevclusterError(f"Go is needed to build {what}, and is not installed.", GO_HINT)
    log = paths.logs() / f"build-{recipe.folder}.log"
    log.unlink(missing_ok=True)
    title = f"Building {what} {recipe.version} from Go modules"
    with progress.step(title, recipe.seconds) as step, _new_folder(folder) as unfinished:
        source = unfinished / "source"
        with as_file(files("devcluster") / "data" / "go" / recipe.folder) as data:
            shutil.copytree(data, source)
        counter = BuildProgress(recipe.packages, recipe.package)
        try:
            run.run(
                _command(go, recipe, unfinished / recipe.programs[0]),
                cwd=source,
                env=_go_environment(),
                log=log,
                on_line=lambda line: step.update(counter.told(line)),
            )
        except CommandFailed as error:
            error.hint = build_hint(error.tail)
            raise
        shutil.rmtree(source)
        for name in recipe.programs[1:]:
            os.link(unfinished / recipe.programs[0], unfinished / name)


def _command(go: Path, recipe: Recipe, target: Path) -> list[str | Path]:
    ldflags = f"-s -w {recipe.ldflags}".rstrip()
    # nice: whoever waits for this still wants to use the machine.
    build: list[str | Path] = ["nice", "-n", "5", go, "build", *_BUILD_FLAGS, "-ldflags", ldflags]
    return [*build, "-o", target, recipe.package]


def _go_environment() -> dict[str, str]:
    """Return what makes the build the same for everybody. Proxy settings stay the user's."""
    return {
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
    }


class BuildProgress:
    """What `go build -v` is at, from its lines."""

    def __init__(self, packages: int, package: str) -> None:
        self._expected = packages
        self._last = package
        self._modules = 0
        self._packages = 0

    def told(self, line: str) -> str:
        """Take in one line of output and return a few words."""
        if line.startswith("go: downloading "):
            self._modules += 1
            return f"{self._modules} modules fetched"
        if line and " " not in line:
            self._packages += 1
        if line == self._last or line.startswith("bookstore.local/"):
            return "linking"
        return f"{self._packages} of at most {max(self._packages, self._expected)} packages"


def build_hint(output: str) -> str:
    """Say what to do about a build that failed, from the end of its output."""
    said = output.lower()
    if "no space left" in said:
        return (
            f"The disk is full: about {_NEEDED_GIGABYTES} GB are needed for Go's caches "
            f"(`go env GOCACHE GOMODCACHE`) and {paths.cache()}."
        )
    if any(
        word in said for word in ("dial tcp", "no such host", "timeout", "proxyconnect", "goproxy")
    ):
        return "The Go module proxy could not be reached: see `go env GOPROXY`, then try again."
    if "requires go >=" in said or "toolchain not available" in said:
        return GO_HINT
    if "killed" in said:
        return "Compiling needs about 3 GB of memory: close something, then try again."
    return "Try again: what is compiled already is not compiled twice."


def build_folder(recipe: Recipe) -> Path:
    """Return a folder whose name changes with everything that the result depends on."""
    digest = hashlib.sha256("\n".join((recipe.package, recipe.ldflags, *_BUILD_FLAGS)).encode())
    data = files("devcluster") / "data" / "go" / recipe.folder
    for file in sorted(data.iterdir(), key=lambda entry: entry.name):
        digest.update(file.name.encode() + file.read_bytes())
    system = "-".join(releases.system())
    return paths.binaries() / f"{recipe.folder}-{recipe.version}-{system}-{digest.hexdigest()[:8]}"


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which gets its name `folder` only when the block ends well.

    Called with the lock of `folder`: what an earlier, interrupted attempt left is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".unfinished-{folder.name}-"
    for left in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield unfinished
        space.keep(unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def recipe_of(name: str) -> Recipe:
    """Return how a program is built."""
    return next(recipe for recipe in RECIPES if name in recipe.programs)


def _recipes_for(names: list[str]) -> list[Recipe]:
    return [recipe for recipe in RECIPES if set(names) & set(recipe.programs)]
