"""What no cluster uses any more of what was made here: packages, root file systems, images."""

import contextlib
import functools
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
    """List images of the private engine: those of earlier recipes; without clusters all others too.

    While a cluster is up, an image that was built may be about to be loaded. `programs` are those
    in the cache. Starts the private engine if it has images.
    """
    docker = _private_engine()
    if docker is None:
        return
    needed = _needed_images(docker, programs)
    clusters = privateengine.engine_users()
    ours = _labeled(docker)
    for image, name, size in _images(docker):
        if image not in needed and (image in ours or name == "<none>:<none>" or not clusters):
            yield Unused(f"image {name}", size, functools.partial(_remove_image, docker, image))
    if not clusters and (size := _build_cache(docker)):
        prune = functools.partial(
            docker.output, "builder", "prune", "--all", "--force", timeout=300
        )
        yield Unused("the build cache of docker", size, prune)


def _private_engine() -> Engine | None:
    """Return the private engine, started if it has images; None if it has none."""
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
    names = [name for role in Role if (name := baseimages.present(docker, role))]
    if nodeimage.present(docker, programs):
        names.append(nodeimage.NAME)
    if docker.has_image(localimages.METRICS_SERVER):
        names.append(localimages.METRICS_SERVER)
    if names:
        ids += docker.output("image", "inspect", "--format", "{{.Id}}", *names).split()
    return set(ids)


def _labeled(docker: Engine) -> set[str]:
    label = f"label={RECIPE_LABEL}"
    return set(docker.output("image", "ls", "--quiet", "--no-trunc", "--filter", label).split())


def _images(docker: Engine) -> Iterator[tuple[str, str, int]]:
    """List the id of each image, its names, and the size of what no other image has."""
    table = json.loads(docker.output("system", "df", "--verbose", "--format", "{{json .Images}}"))
    for image in dict.fromkeys(row["ID"] for row in table):
        rows = [row for row in table if row["ID"] == image]
        names = sorted(f"{row['Repository']}:{row['Tag']}" for row in rows)
        yield image, ", ".join(names), byte_count(rows[0]["UniqueSize"])


def _build_cache(docker: Engine) -> int:
    template = "{{.Type}}\t{{.Reclaimable}}"
    for line in docker.output("system", "df", "--format", template).splitlines():
        kind, size = line.split("\t")
        if kind == "Build Cache":
            return byte_count(size.split()[0])
    return 0


def byte_count(size: str) -> int:
    """Return the bytes that Docker means by `12.3MB`."""
    number = size.rstrip("BkMGT")
    return int(float(number or 0) * _UNITS.get(size[len(number) :], 1))


def _remove_image(docker: Engine, image: str) -> None:
    # It fails for one that a running container or another image needs, which stays.
    with contextlib.suppress(CommandFailed):
        docker.output("image", "rm", "--force", image, timeout=120)
