"""A folder of a volume as a target."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from bookstore_backup.errors import BackupError
from bookstore_backup.model import problems
from bookstore_backup.storage.target import CHUNK_BYTES, ObjectMissingError, Stored

T = TypeVar("T")
PARTIAL = ".partial-"


class Volume:
    """Files below a folder, which must exist: a volume that is not mounted is an error."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def where(self) -> str:
        """The folder."""
        return f"the volume at {self._root}"

    def put(self, key: str, data: bytes) -> None:
        """Write a file under a temporary name, sync it, rename it, and sync its folder."""
        self._try(f"Writing {key}", lambda: self._put(self._root / key, data))

    def get(self, key: str) -> Iterator[bytes]:
        """Yield the content of a file, read from the disk and not from the page cache."""
        doing = f"Reading {key}"
        try:
            file = (self._root / key).open("rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissingError(key) from error
        except OSError as error:
            raise self._failed(doing, error) from error
        with file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while chunk := self._try(doing, lambda: file.read(CHUNK_BYTES)):
                yield chunk

    def objects(self, prefix: str) -> list[Stored]:
        """Return all files below a folder, those of interrupted writes included."""
        return self._try(f"Listing {self._root / prefix}", lambda: self._list(prefix))

    def dumps_at_root(self) -> list[Stored]:
        """Return the files at the root that are named like dumps."""
        return self._try(f"Listing {self._root}", self._dumps_at_root)

    def delete(self, key: str) -> None:
        """Delete a file, and its folder with it if that is empty now."""
        self._try(f"Deleting {key}", lambda: self._delete(self._root / key))

    def _put(self, file: Path, data: bytes) -> None:
        self._root.stat()
        made = self._make_folders(file.parent)
        partial = file.parent / f"{PARTIAL}{secrets.token_hex(8)}"
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                _write(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            partial.rename(file)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise
        for folder in (file.parent, *made):
            _sync(folder)

    def _make_folders(self, folder: Path) -> list[Path]:
        """Make a folder; return the folders that have a new entry."""
        changed = []
        for parent in reversed([folder, *folder.parents]):
            if parent.is_relative_to(self._root) and not parent.is_dir():
                with suppress(FileExistsError):
                    parent.mkdir(mode=0o700)
                changed.append(parent.parent)
        return changed

    def _list(self, prefix: str) -> list[Stored]:
        self._root.stat()
        found = []
        for folder, folders, files in os.walk(self._root / prefix, onerror=_raise_unless_missing):
            folders[:] = [name for name in folders if name != "lost+found"]
            for name in files:
                path = Path(folder) / name
                with suppress(FileNotFoundError):  # deleted meanwhile
                    size = path.stat().st_size
                    found.append(Stored(path.relative_to(self._root).as_posix(), size))
        return sorted(found, key=lambda stored: stored.key)

    def _dumps_at_root(self) -> list[Stored]:
        files = [file for file in self._root.iterdir() if file.name.endswith(".dump")]
        return [Stored(file.name, file.stat().st_size) for file in sorted(files) if file.is_file()]

    def _delete(self, file: Path) -> None:
        with suppress(FileNotFoundError, NotADirectoryError):
            file.unlink()
            _sync(file.parent)
        if file.parent != self._root:
            with suppress(OSError):  # it is not empty
                file.parent.rmdir()

    def _try(self, doing: str, work: Callable[[], T]) -> T:
        try:
            return work()
        except OSError as error:
            raise self._failed(doing, error) from error

    def _failed(self, doing: str, error: OSError) -> BackupError:
        return problems.of_volume(f"{doing} on {self.where}", error.errno, str(error))


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
