"""Room on disks: how much is needed, which disk is full, temporary folders, what can be removed."""

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


def is_full(error: BaseException) -> bool:
    """Whether something failed for lack of room: the error says so, or a disk in use is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "no space left on device" in str(cause).lower():
            return True
        cause = cause.__cause__
    return any(free_bytes(folder) < _FULL_BYTES for folder in _folders_by_disk())


def what_to_free() -> str:
    """Return how much room there is on each disk that is written to, and how to make some."""
    room = ", ".join(f"{free_bytes(folder) >> 20} MB for {folder}" for folder in _folders_by_disk())
    return (
        f"A disk is full. There are free: {room}.\n"
        "Free some space there (devcluster prune removes what no cluster uses), or set "
        "XDG_CACHE_HOME and XDG_STATE_HOME to where there is room: "
        f"{CONTROL_PLANE_GIB} GiB for control planes, {PRIVATE_KIND_GIB} GiB for kind clusters."
    )


def free_bytes(folder: Path) -> int:
    """Return how much room there is on the disk of a folder, which need not exist yet."""
    return shutil.disk_usage(_existing(folder)).free


def _folders_by_disk() -> list[Path]:
    folders = (paths.cache(), paths.state(), Path(tempfile.gettempdir()))
    disks = {_existing(folder).stat().st_dev: folder for folder in reversed(folders)}
    return list(reversed(disks.values()))


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder for the block, on the disk of the cache: /tmp may be small, or memory.

    Those of killed processes are removed.
    """
    with locked("work"):
        for stale in (paths.cache() / "work").glob("*"):
            if not in_use(stale):
                remove(stale)
        folder, mark = _marked_folder(paths.cache() / "work", "")
    try:
        yield folder
    finally:
        remove(folder)
        os.close(mark)


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which gets its name `folder` only when the block ends well.

    Called with the lock of `folder`: what an interrupted attempt left is removed.
    """
    prefix = f".unfinished-{folder.name}-"
    for stale in folder.parent.glob(f"{prefix}*"):
        remove(stale)
    unfinished, mark = _marked_folder(folder.parent, prefix)
    try:
        yield unfinished
        flush(unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    finally:
        remove(unfinished)
        os.close(mark)


def in_use(path: Path) -> bool:
    """Whether this is a folder of `scratch` or `new_folder` that a process is using."""
    try:
        os.close(_lock(path))
    except BlockingIOError:
        return True
    except OSError:
        pass  # it is gone, or another user's
    return False


def _marked_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    """Make a folder that is `in_use` until the returned descriptor is closed."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    return folder, _lock(folder)


def _lock(path: Path) -> int:
    """Lock a file or folder until the descriptor is closed. Raises BlockingIOError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


def flush(folder: Path) -> None:
    """Write the files of a finished folder to the disk, before its name says that it is finished.

    Otherwise a power failure could leave the name and empty files.
    """
    files = (path for path in folder.rglob("*") if path.is_file())
    for file in {file.stat().st_ino: file for file in files}.values():
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


@dataclass(frozen=True)
class Unused:
    """Something that no cluster uses, how much room it takes, and how to remove it."""

    what: str
    bytes: int
    remove: Callable[[], object]


def others(folder: Path, current: Iterable[str]) -> list[Path]:
    """Return what is in a folder besides what is current; links lead to what is not ours."""
    names = set(current)
    return sorted(
        path for path in folder.glob("*") if path.name not in names and not path.is_symlink()
    )


def remove(path: Path) -> None:
    """Remove a file or a folder, as far as that is possible."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Return the bytes that a file or folder takes; hard links of one file count once."""
    blocks: dict[int, int] = {}
    for file in (path, *path.rglob("*")):
        with contextlib.suppress(OSError):
            stat = file.lstat()
            blocks[stat.st_ino] = stat.st_blocks
    return sum(blocks.values()) * 512
