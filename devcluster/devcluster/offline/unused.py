"""What no cluster uses any more of what was made here: packages, root file systems, images."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from devcluster import disk, paths, progress
from devcluster.disk import Unused
from devcluster.engine import Engine
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.images import Role
from devcluster.offline import baseimages, localimages, nodeimage, privateengine
from devcluster.offline.imagearchive import RECIPE_LABEL

_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def unused_files() -> list[Path]:
    """Return packages and root file systems of earlier versions."""
    recipes = (baseimages.recipe(), nodeimage.recipe())
    return [
        *disk.others(paths.cache() / "debian", [privateengine.packages_folder().name]),
        *disk.others(paths.cache() / "roots", [recipe.archive.name for recipe in recipes]),
    ]


def unused_images(programs: Mapping[str, Path]) -> Iterator[Unused]:
    """Find images of the private engine: those of earlier recipes; without clusters all others too.

    While a cluster is up, an image that was built may be about to be loaded. `programs` are those
    in the cache. Starts the private engine if it has images.
    """
    docker = _private_engine()
    if docker is None:
        return
    keep = _needed_images(docker, programs)
    clusters = privateengine.engine_users()
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
    if not (privateengine.data_root() / "image").exists():
        return None
    try:
        return privateengine.running_engine() or privateengine.start_engine()
    except DevclusterError as error:
        progress.warn(f"The private engine's images stay as they are. {error}")
        return None


def _needed_images(docker: Engine, programs: Mapping[str, Path]) -> set[str]:
    """Return the ids of what containers use, and of what the next cluster would use."""
    containers = docker.output("ps", "--all", "--quiet").split()
    ids: list[str] = []
    if containers:
        ids += docker.output("inspect", "--format", "{{.Image}}", *containers).split()
    names = [baseimages.present(docker, role) for role in Role]
    if nodeimage.present(docker, programs):
        names.append(nodeimage.NAME)
    if docker.has_image(localimages.METRICS_SERVER):
        names.append(localimages.METRICS_SERVER)
    wanted = [name for name in names if name]
    if wanted:
        ids += docker.output("image", "inspect", "--format", "{{.Id}}", *wanted).split()
    return set(ids)


def _labelled(docker: Engine) -> set[str]:
    label = f"label={RECIPE_LABEL}"
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
