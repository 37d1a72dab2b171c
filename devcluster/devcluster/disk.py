"""Room on disks: what is needed, which disk is full, and folders for what is needed only now."""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devcluster import paths
from devcluster.locking import locked

CONTROL_PLANE_GIB = 4
PRIVATE_KIND_GIB = 10
OWN_ENGINE_GIB = 3

# With less than this next to nothing can be written.
_FULL_BYTES = 16 << 20


def full(error: BaseException) -> bool:
    """Whether something failed for want of room: it says so, or a disk of ours is full."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "no space left on device" in str(seen).lower():
            return True
        seen = seen.__cause__
    return any(free_bytes(folder) < _FULL_BYTES for folder in _ours())


def what_to_free() -> str:
    """Say how much room there is on each disk that is written to, and how to make some."""
    room = ", ".join(f"{free_bytes(folder) >> 20} MB for {folder}" for folder in _ours())
    return (
        f"A disk is full. There are free: {room}.\n"
        "Free some space there (devcluster prune removes what no cluster uses), or set "
        "XDG_CACHE_HOME and XDG_STATE_HOME to where there is room: "
        f"{CONTROL_PLANE_GIB} GiB for control planes, {PRIVATE_KIND_GIB} GiB for kind clusters."
    )


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder for the block, on the disk of the cache: /tmp may be small, or memory.

    What a killed process left of its own is removed.
    """
    work = paths.cache() / "work"
    work.mkdir(parents=True, exist_ok=True)
    with locked("work"):
        remove_stale_scratch()
        folder = Path(tempfile.mkdtemp(dir=work))
        mark = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(mark, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(mark)


def remove_stale_scratch() -> None:
    """Remove the folders of `scratch` that nobody uses any more."""
    for folder in stale_scratch():
        shutil.rmtree(folder, ignore_errors=True)


def stale_scratch() -> list[Path]:
    """Return the folders of `scratch` that nobody uses any more."""
    return [folder for folder in (paths.cache() / "work").glob("*") if not _in_use(folder)]


def _in_use(folder: Path) -> bool:
    try:
        mark = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(mark)
    return False


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
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
        keep(unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def keep(folder: Path) -> None:
    """Have the files of a finished folder on the disk, before its name says that it is finished.

    Else a power failure could leave the name and empty files.
    """
    for file in {each.stat().st_ino: each for each in folder.rglob("*") if each.is_file()}.values():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())


def write_whole(file: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all. Raises OSError."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        with partial.open("w") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _ours() -> list[Path]:
    folders = (paths.cache(), paths.state(), Path(tempfile.gettempdir()))
    disks = {_existing(folder).stat().st_dev: folder for folder in reversed(folders)}
    return list(reversed(disks.values()))


def free_bytes(folder: Path) -> int:
    """Return how much room there is where a folder is or is to be."""
    return shutil.disk_usage(_existing(folder)).free


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


@dataclass(frozen=True)
class Unused:
    """Something that no cluster uses, how much room it takes, and how to remove it."""

    what: str
    bytes: int
    remove: Callable[[], object]


def others(folder: Path, current: Iterable[str]) -> list[Path]:
    """Return what is in a folder, without what is current; links lead to what is not ours."""
    keep = set(current)
    return sorted(
        path for path in folder.glob("*") if path.name not in keep and not path.is_symlink()
    )


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
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
