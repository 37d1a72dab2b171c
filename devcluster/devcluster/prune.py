"""What no cluster uses any more: programs and packages of earlier versions, images, leftovers."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devcluster import binaries, metricsserver, paths, progress, releases, space
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.locking import locked
from devcluster.offline import baseimages, debian, engine, nodeimage
from devcluster.offline.baseimages import Role
from devcluster.offline.engine import Engine

_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True)
class Unused:
    """Something that no cluster uses, how much room it takes, and how to remove it."""

    what: str
    bytes: int
    remove: Callable[[], object]


def unused() -> Iterator[Unused]:
    """Find what no cluster uses. Looking at images starts the private engine, if need be."""
    yield from _files()
    yield from _images()


def _files() -> Iterator[Unused]:
    cache = paths.cache()
    used = _in_use()
    candidates = [
        *_others(paths.binaries(), _current_programs()),
        *_others(cache / "debian", [engine.packages_folder().name]),
        *_others(cache / "roots", [recipe.archive.name for recipe in _recipes()]),
        *space.stale_scratch(),
    ]
    for path in candidates:
        if not any(each.is_relative_to(path) for each in used) and not _being_made(path):
            yield Unused(str(path), _size(path), lambda path=path: _remove(path))  # type: ignore[misc]


def _others(folder: Path, current: Iterable[str]) -> list[Path]:
    """Return what is in a folder, without what is current; links lead to what is not ours."""
    keep = set(current)
    return sorted(
        path for path in folder.glob("*") if path.name not in keep and not path.is_symlink()
    )


def _current_programs() -> dict[str, str]:
    """Return the folders of today's versions, each with the lock under which it is filled."""
    built = {
        binaries.build_folder(each).name: f"program {each.folder}" for each in binaries.RECIPES
    }
    found = (releases.providing(name, releases.system()) for name in binaries.PROGRAMS)
    return built | {each.name: f"program {each.name}" for each in found if each is not None}


def _recipes() -> list[debian.Recipe]:
    return [baseimages.recipe(), nodeimage.recipe()]


def _in_use() -> set[Path]:
    """Return the programs that run, or that a cluster's `env` puts on PATH."""
    used = set()
    for link in (*Path("/proc").glob("[0-9]*/exe"), *paths.clusters().glob("*/bin/*")):
        with contextlib.suppress(OSError):
            used.add(link.readlink())
    return used


def _being_made(path: Path) -> bool:
    """Whether a folder of a build or a download is being filled just now."""
    for name, lock in _current_programs().items():
        if path.name.startswith(f".unfinished-{name}-"):
            try:
                with locked(lock, timeout=0):
                    return False
            except DevclusterError:
                return True
    return False


def _images() -> Iterator[Unused]:
    """Find images of the private engine: those of earlier recipes; without clusters all others too.

    While a cluster is up, an image that was built may be about to be loaded.
    """
    docker = _private_engine()
    if docker is None:
        return
    keep = _needed_images(docker)
    clusters = engine.users()
    ours = _labelled(docker)
    for image, name, size in _listed(docker):
        if image not in keep and (image in ours or name == "<none>:<none>" or not clusters):
            yield Unused(f"image {name}", size, lambda image=image: _remove_image(docker, image))  # type: ignore[misc]
    if not clusters:
        cache = _build_cache(docker)
        if cache:
            yield Unused(
                "what docker build keeps",
                cache,
                lambda: docker.output("builder", "prune", "--all", "--force", timeout=300),
            )


def _private_engine() -> Engine | None:
    """Return the private engine, started if it has images; None where there is nothing to see."""
    if not (engine.data_root() / "image").exists():
        return None
    try:
        return engine.running_private_engine() or engine.start_private_engine()
    except DevclusterError as error:
        progress.warn(f"The private engine's images stay as they are. {error}")
        return None


def _needed_images(docker: Engine) -> set[str]:
    """Return the ids of what containers use, and of what the next cluster would use."""
    containers = docker.output("ps", "--all", "--quiet").split()
    ids: list[str] = []
    if containers:
        ids += docker.output("inspect", "--format", "{{.Image}}", *containers).split()
    names = [baseimages.present(docker, role) for role in Role]
    if nodeimage.present(docker):
        names.append(nodeimage.NAME)
    if docker.has_image(metricsserver.LOCAL):
        names.append(metricsserver.LOCAL)
    wanted = [name for name in names if name]
    if wanted:
        ids += docker.output("image", "inspect", "--format", "{{.Id}}", *wanted).split()
    return set(ids)


def _labelled(docker: Engine) -> set[str]:
    label = f"label={baseimages.RECIPE_LABEL}"
    return set(docker.output("image", "ls", "--quiet", "--no-trunc", "--filter", label).split())


def _listed(docker: Engine) -> Iterator[tuple[str, str, int]]:
    """Return the id of each image, its names, and the size of what no other image has."""
    listed = json.loads(docker.output("system", "df", "--verbose", "--format", "{{json .Images}}"))
    for image in dict.fromkeys(row["ID"] for row in listed):
        rows = [row for row in listed if row["ID"] == image]
        names = sorted(f"{row['Repository']}:{row['Tag']}" for row in rows)
        yield image, ", ".join(names), byte_count(rows[0]["UniqueSize"])


def _build_cache(docker: Engine) -> int:
    template = "{{.Type}}\t{{.Reclaimable}}"
    for line in docker.output("system", "df", "--format", template).splitlines():
        kind, size = line.split("\t")
        if kind == "Build Cache":
            return byte_count(size.split()[0])
    return 0


def byte_count(said: str) -> int:
    """Return the bytes that Docker means by `12.3MB`."""
    number = said.rstrip("BkMGT")
    return int(float(number or 0) * _UNITS.get(said[len(number) :], 1))


def _remove_image(docker: Engine, image: str) -> None:
    # One that a running container or another image needs says so, and stays.
    with contextlib.suppress(CommandFailed):
        docker.output("image", "rm", "--force", image, timeout=120)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    """Return the bytes that a file or folder takes; hard links of one file count once."""
    files: dict[int, int] = {}
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                stat = Path(folder, name).lstat()
                files[stat.st_ino] = stat.st_blocks * 512
    if path.is_file():
        files[0] = path.lstat().st_blocks * 512
    return sum(files.values())
