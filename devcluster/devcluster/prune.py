"""What no cluster uses any more: programs and packages of earlier versions, images, leftovers."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from devcluster import binaries, disk, offline, paths
from devcluster.disk import Unused
from devcluster.errors import DevclusterError
from devcluster.locking import locked


def unused() -> Iterator[Unused]:
    """List what no cluster uses. The private engine is started if it has images."""
    yield from _unused_files()
    yield from offline.unused_images(binaries.all_cached())


def _unused_files() -> Iterator[Unused]:
    in_use = _programs_in_use()
    for path in (
        *disk.others(paths.binaries(), binaries.current_folders()),
        *offline.unused_files(),
        *disk.stale_scratch(),
    ):
        if not any(program.is_relative_to(path) for program in in_use) and not _is_being_filled(
            path
        ):
            yield Unused(str(path), disk.size_of(path), functools.partial(disk.remove, path))


def _programs_in_use() -> set[Path]:
    """Return the programs that run, or that a cluster's `env` puts on PATH."""
    programs = set()
    for link in (*Path("/proc").glob("[0-9]*/exe"), *paths.clusters().glob("*/bin/*")):
        with contextlib.suppress(OSError):
            programs.add(link.readlink())
    return programs


def _is_being_filled(path: Path) -> bool:
    """Whether this is the folder of a build or a download that is under way."""
    for name, lock in binaries.current_folders().items():
        if path.name.startswith(f".unfinished-{name}-"):
            try:
                with locked(lock, timeout=0):
                    return False
            except DevclusterError:
                return True
    return False
