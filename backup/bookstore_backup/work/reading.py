"""The dump of a backup as a stream, checked on the way."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from bookstore_backup.model.manifest import Manifest, damaged
from bookstore_backup.storage.encryption import Writable, read_stream
from bookstore_backup.storage.repository import Entry
from bookstore_backup.storage.stream import IteratorReader, PartsReader, Readable
from bookstore_backup.storage.target import ObjectMissingError
from bookstore_backup.work.workplace import Workplace


@dataclass(frozen=True)
class Source:
    """A backup to read: with a manifest, or a legacy dump without one."""

    workplace: Workplace
    entry: Entry
    manifest: Manifest | None

    def feed(self, sink: IO[bytes]) -> None:
        """Write the dump into a program; raises BackupError where it is damaged."""
        self._copy(_Counted(sink, self.workplace.report.advance))

    def feed_all(self, sink: IO[bytes]) -> None:
        """Write the dump into a program, and check all of it even if the program has enough."""
        checked = _Checked(_Counted(sink, self.workplace.report.advance))
        self._copy(checked)
        if self.manifest is not None and (checked.size, checked.sha256) != (
            self.manifest.dump.size,
            self.manifest.dump.sha256,
        ):
            raise damaged(self.entry.name, "the dump is not the one that was taken")

    def _copy(self, sink: Writable) -> None:
        read_stream(
            self._reader(),
            sink,
            name=self.entry.name,
            recipients=self.manifest.recipients if self.manifest else (),
            identities=self.workplace.identities,
        )

    def _reader(self) -> Readable:
        repository = self.workplace.repository
        if self.manifest is None:
            return IteratorReader(self._legacy())
        return PartsReader(
            repository.target, repository.store, self.entry.name, self.manifest.parts
        )

    def _legacy(self) -> Iterator[bytes]:
        try:
            yield from self.workplace.repository.target.get(self.entry.name)
        except ObjectMissingError as error:
            raise damaged(self.entry.name, "its file is missing") from error


def open_source(workplace: Workplace, entry: Entry) -> Source:
    """Return a backup to read; raises BackupError if its manifest is damaged."""
    manifest = None if entry.legacy else workplace.repository.manifest(entry.name)
    return Source(workplace, entry, manifest)


class _Counted:
    """Counts what a program takes."""

    def __init__(self, sink: IO[bytes], on_write: Callable[[int], None]) -> None:
        self._sink, self._on_write = sink, on_write

    def write(self, data: bytes, /) -> int:
        self._sink.write(data)
        self._on_write(len(data))
        return len(data)

    def flush(self) -> None:
        self._sink.flush()


class _Checked:
    """Hashes what is written, and goes on when the program has read enough."""

    def __init__(self, sink: Writable) -> None:
        self._sink: Writable | None = sink
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes, /) -> int:
        self._hash.update(data)
        self.size += len(data)
        if self._sink is not None:
            try:
                self._sink.write(data)
            except BrokenPipeError:
                self._sink = None
        return len(data)

    def flush(self) -> None:
        """Do nothing: whoever made the sink flushes it."""

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()
