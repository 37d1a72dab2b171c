"""What no cluster uses any more: programs and packages of earlier versions, images, leftovers."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from devcluster import binaries, disk, offline, paths
from devcluster.disk import Unused
from devcluster.errors import DevclusterError
from devcluster.locking import locked


def unused() -> Iterator[Unused]:
    """Find what no cluster uses. Looking at images starts the private engine, if need be."""
    yield from _files()
    yield from offline.unused_images(binaries.all_cached())


def _files() -> Iterator[Unused]:
    used = _in_use()
    candidates = [
        *disk.others(paths.binaries(), binaries.current_folders()),
        *offline.unused_files(),
        *disk.stale_scratch(),
    ]
    for path in candidates:
        if not any(each.is_relative_to(path) for each in used) and not _being_made(path):
            size = disk.size_of(path)
            yield Unused(str(path), size, lambda path=path: disk.remove(path))  # type: ignore[misc]


def _in_use() -> set[Path]:
    """Return the programs that run, or that a cluster's `env` puts on PATH."""
    used = set()
    for link in (*Path("/proc").glob("[0-9]*/exe"), *paths.clusters().glob("*/bin/*")):
        with contextlib.suppress(OSError):
            used.add(link.readlink())
    return used


def _being_made(path: Path) -> bool:
    """Whether a folder of a build or a download is being filled just now."""
    for name, lock in binaries.current_folders().items():
        if path.name.startswith(f".unfinished-{name}-"):
            try:
                with locked(lock, timeout=0):
                    return False
            except DevclusterError:
                return True
    return False
