"""Programs built from Go modules, every module pinned by checksum.

Kubernetes, etcd and CoreDNS are built together, as one program that is known by nine names: nearly
all of the time goes into what they share.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from devcluster import disk, paths, progress, releases, run, versions
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.locking import locked


@dataclass(frozen=True)
class Recipe:
    """How to build one file from Go modules, and the names of the programs that it is.

    `folder` in data/go has its go.mod and go.sum, so that every module is pinned by checksum.
    `packages` and `seconds` (on 2 cores) are for the progress display only.
    """

    folder: str
    version: str
    package: str
    packages: int
    seconds: int
    programs: tuple[str, ...]
    ldflags: str = ""


_COMPONENT = "k8s.io/component-base/version"
_MAJOR, _MINOR = versions.KUBERNETES.removeprefix("v").split(".")[:2]

MULTICALL = Recipe(
    folder="multicall",
    version=versions.KUBERNETES,
    package=".",
    packages=2916,
    seconds=300,
    programs=(
        *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
        *("kubelet", "kubeadm", "kubectl", "etcd", "coredns"),
    ),
    ldflags=(
        f"-X {_COMPONENT}.gitVersion={versions.KUBERNETES} -X {_COMPONENT}.gitTreeState=clean "
        f"-X {_COMPONENT}.gitMajor={_MAJOR} -X {_COMPONENT}.gitMinor={_MINOR}"
    ),
)
_KWOK = "sigs.k8s.io/kwok"
_METRICS = "sigs.k8s.io/metrics-server"
_POLICIES = "sigs.k8s.io/kube-network-policies"
_HELM = "helm.sh/helm/v4"
_COMPOSE = "github.com/docker/compose/v2"
RECIPES = (
    MULTICALL,
    Recipe("kind", versions.KIND, "sigs.k8s.io/kind", 292, 25, ("kind",)),
    Recipe(
        *("kwok", versions.KWOK, f"{_KWOK}/cmd/kwok", 996, 85, ("kwok",)),
        ldflags=f"-X {_KWOK}/pkg/consts.Version={versions.KWOK}",
    ),
    Recipe(
        *("metrics-server", versions.METRICS_SERVER, f"{_METRICS}/cmd/metrics-server", 1334, 135),
        programs=("metrics-server",),
        ldflags=f"-X {_METRICS}/pkg/version.gitVersion={versions.METRICS_SERVER}",
    ),
    # For `devcluster up --network-policies`.
    Recipe(
        *("network-policies", versions.NETWORK_POLICIES, f"{_POLICIES}/cmd", 915, 95),
        programs=("kube-network-policies",),
    ),
    # For compose.yaml where the docker client has no plugin: a program of its own.
    Recipe(
        *("compose", versions.COMPOSE, f"{_COMPOSE}/cmd", 1311, 130, ("docker-compose",)),
        ldflags=f"-X {_COMPOSE}/internal.Version={versions.COMPOSE}",
    ),
    # For scripts/lint.
    Recipe(
        *("actionlint", versions.ACTIONLINT, "github.com/rhysd/actionlint/cmd/actionlint"),
        *(106, 15, ("actionlint",)),
    ),
    # For tests/backup.
    Recipe(
        *("versitygw", versions.VERSITYGW, "github.com/versity/versitygw/cmd/versitygw"),
        *(900, 80, ("versitygw",)),
    ),
    # For tests/packaging: installs the chart.
    Recipe(
        *("helm", versions.HELM, f"{_HELM}/cmd/helm", 1100, 200, ("helm",)),
        ldflags=f"-X {_HELM}/internal/version.version={versions.HELM}",
    ),
    # For tests/packaging, at night: judges all manifests.
    Recipe(
        *("kube-score", versions.KUBE_SCORE, "github.com/zegl/kube-score/cmd/kube-score", 480, 30),
        programs=("kube-score",),
    ),
    # For tests/workflows, at night: runs the GitHub workflows on this machine.
    Recipe(
        *("act", versions.ACT, "github.com/nektos/act", 700, 60, ("act",)),
        ldflags=f"-X main.version={versions.ACT.removeprefix('v')}",
    ),
    # For tests/infra: OpenTofu, and a provider that knows other providers' schemas.
    Recipe(
        *("tofu", versions.OPENTOFU, "github.com/opentofu/opentofu/cmd/tofu"),
        *(1780, 300, ("tofu",)),
        ldflags="-X github.com/opentofu/opentofu/version.dev=no",
    ),
    Recipe(
        *("schema-provider", versions.TERRAFORM_PLUGIN_GO, ".", 200, 20),
        programs=("terraform-provider-schema",),
    ),
    Recipe("pause", versions.PAUSE, ".", 60, 5, ("pause",)),
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


def built_program(name: str) -> Path:
    """Return the path of a program, once it is built."""
    return build_folder(recipe_of(name)) / name


def build_programs(names: Iterable[str]) -> dict[str, Path]:
    """Build programs, with those that are built together with them. Raises DevclusterError."""
    programs = {name: built_program(name) for name in names}
    for recipe in RECIPES:
        if programs.keys() & set(recipe.programs):
            folder = build_folder(recipe)
            with locked(f"program {recipe.folder}"):
                if not folder.is_dir():
                    _build(recipe, folder)
    return programs


def _build(recipe: Recipe, folder: Path) -> None:
    go = run.which("go")
    what = "Kubernetes, etcd and CoreDNS" if recipe is MULTICALL else recipe.folder
    if go is None:
        raise DevclusterError(f"Go is needed to build {what}, and is not installed.", GO_HINT)
    log = paths.logs() / f"build-{recipe.folder}.log"
    log.unlink(missing_ok=True)
    title = f"Building {what} {recipe.version} from Go modules"
    with progress.step(title, recipe.seconds) as step, disk.new_folder(folder) as unfinished:
        source = unfinished / "source"
        shutil.copytree(paths.DATA / "go" / recipe.folder, source)
        counter = BuildProgress(recipe.packages, recipe.package)
        try:
            run.run(
                _command(go, recipe, unfinished / recipe.programs[0]),
                cwd=source,
                env=_go_environment(),
                log=log,
                on_line=lambda line: step.update(counter.count(line)),
            )
        except CommandFailed as error:
            error.hint = build_hint(error.tail)
            raise
        shutil.rmtree(source)
        for name in recipe.programs[1:]:
            os.link(unfinished / recipe.programs[0], unfinished / name)


def _command(go: Path, recipe: Recipe, target: Path) -> list[str | Path]:
    ldflags = f"-s -w {recipe.ldflags}".rstrip()
    # nice: the machine should stay usable meanwhile.
    build: list[str | Path] = ["nice", "-n", "5", go, "build", *_BUILD_FLAGS, "-ldflags", ldflags]
    return [*build, "-o", target, recipe.package]


def _go_environment() -> dict[str, str]:
    """Return the variables that make builds reproducible. Proxy settings stay the user's."""
    return {
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
    }


class BuildProgress:
    """The progress of `go build -v`, from the lines that it prints."""

    def __init__(self, packages: int, package: str) -> None:
        self._expected = packages
        self._last = package
        self._modules = 0
        self._packages = 0

    def count(self, line: str) -> str:
        """Count one line of output and return the progress in a few words."""
        if line.startswith("go: downloading "):
            self._modules += 1
            return f"{self._modules} modules fetched"
        if line and " " not in line:
            self._packages += 1
        if line == self._last or line.startswith("bookstore.local/"):
            return "linking"
        return f"{self._packages} of at most {max(self._packages, self._expected)} packages"


def build_hint(output: str) -> str:
    """Return what to do about a build that failed, from the end of its output."""
    text = output.lower()
    if "no space left" in text:
        return (
            f"The disk is full: about {_NEEDED_GIGABYTES} GB are needed for Go's caches "
            f"(`go env GOCACHE GOMODCACHE`) and {paths.cache()}."
        )
    if re.search("dial tcp|no such host|timeout|proxyconnect|goproxy", text):
        return "The Go module proxy could not be reached: see `go env GOPROXY`, then try again."
    if "requires go >=" in text or "toolchain not available" in text:
        return GO_HINT
    if "killed" in text:
        return "Compiling needs about 3 GB of memory: close something, then try again."
    return "Try again: what is compiled already is not compiled twice."


def build_folder(recipe: Recipe) -> Path:
    """Return a folder whose name changes with everything that the result depends on."""
    digest = hashlib.sha256("\n".join((recipe.package, recipe.ldflags, *_BUILD_FLAGS)).encode())
    for file in sorted((paths.DATA / "go" / recipe.folder).iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    system = "-".join(releases.system())
    return paths.binaries() / f"{recipe.folder}-{recipe.version}-{system}-{digest.hexdigest()[:8]}"


def recipe_of(name: str) -> Recipe:
    """Return how a program is built."""
    return next(recipe for recipe in RECIPES if name in recipe.programs)
