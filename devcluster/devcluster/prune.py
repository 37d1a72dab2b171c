"""What no cluster uses any more: programs and packages of earlier versions, images, leftovers."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from devcluster import binaries, disk, offline, paths
from devcluster.disk import Unused


def unused() -> Iterator[Unused]:
    """List what no cluster uses. The private engine is started if it has images."""
    running = _programs_in_use()
    for path in (
        *disk.others(paths.binaries(), binaries.current_folders()),
        *offline.unused_files(),
        *(paths.cache() / "work").glob("*"),
    ):
        is_used = any(program.is_relative_to(path) for program in running) or disk.in_use(path)
        if not is_used:
            yield Unused(str(path), disk.size_of(path), functools.partial(disk.remove, path))
    yield from offline.unused_images(binaries.all_cached())


def _programs_in_use() -> set[Path]:
    """Return the programs that run, or that a cluster's `env` puts on PATH."""
    programs = set()
    for link in (*Path("/proc").glob("[0-9]*/exe"), *paths.clusters().glob("*/bin/*")):
        with contextlib.suppress(OSError):
            programs.add(link.readlink())
    return programs
