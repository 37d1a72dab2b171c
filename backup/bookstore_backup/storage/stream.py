"""A dump as a stream of bytes: cut into parts when it is stored, joined when it is read."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self

from bookstore_backup.model import names
from bookstore_backup.model.manifest import Part, damaged
from bookstore_backup.model.parts import part_size
from bookstore_backup.storage.target import ObjectMissingError, Target

IN_FLIGHT = 2


class Readable(Protocol):
    """What has bytes to read."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes; none at the end."""


class HashingReader:
    """Passes on what it reads, and knows its size and digest."""

    def __init__(self, source: Readable, on_read: Callable[[int], object] = lambda _: None) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self._on_read = on_read
        self.size = 0
        self.error: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes."""
        try:
            chunk = self._source.read(size)
        except BaseException as error:
            self.error = error  # pyrage turns it into its own
            raise
        self._hash.update(chunk)
        self.size += len(chunk)
        self._on_read(len(chunk))
        return chunk

    @property
    def sha256(self) -> str:
        """The digest of what has been read."""
        return self._hash.hexdigest()


class PartsWriter:
    """Stores what is written in parts; at most three of them are in memory."""

    def __init__(
        self,
        target: Target,
        key: Callable[[int], str],
        size: Callable[[int], int] = part_size,
    ) -> None:
        self._target, self._key, self._size = target, key, size
        self._buffer = bytearray()
        self._executor = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="put")
        self._pending: deque[Future[Part]] = deque()
        self._parts: list[Part] = []
        self._number = 0
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the threads; what they are storing ends first."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def write(self, data: bytes) -> int:
        """Take bytes; store a part when it is full."""
        try:
            rest = memoryview(data)
            while rest:
                room = self._size(self._number + 1) - len(self._buffer)
                self._buffer += rest[:room]
                if len(rest) >= room:
                    self._store()
                rest = rest[room:]
        except BaseException as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Do nothing: a part is stored when it is full."""

    def finish(self) -> tuple[Part, ...]:
        """Store the rest and wait until all parts are stored; return them."""
        if self._buffer:
            self._store()
        while self._pending:
            self._parts.append(self._pending.popleft().result())
        return tuple(self._parts)

    def _store(self) -> None:
        self._number += 1
        data, self._buffer = bytes(self._buffer), bytearray()
        while len(self._pending) >= IN_FLIGHT:
            self._parts.append(self._pending.popleft().result())
        self._pending.append(self._executor.submit(self._put, self._number, data))

    def _put(self, number: int, data: bytes) -> Part:
        digest = hashlib.sha256(data).hexdigest()
        self._target.put(self._key(number), data)
        return Part(size=len(data), sha256=digest)


class PartsReader:
    """Reads the parts of a dump as one stream, and gives out no byte of a part that is damaged."""

    def __init__(self, target: Target, store: str, name: str, parts: Sequence[Part]) -> None:
        self._parts = checked_parts(target, store, name, parts)
        self._current = memoryview(b"")
        self.error: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes, at least one unless at the end."""
        try:
            while not self._current:
                self._current = memoryview(next(self._parts))
        except StopIteration:
            return b""
        except BaseException as error:
            self.error = error
            raise
        size = len(self._current) if size < 0 else size
        chunk, self._current = bytes(self._current[:size]), self._current[size:]
        return chunk


def checked_parts(target: Target, store: str, name: str, parts: Sequence[Part]) -> Iterator[bytes]:
    """Yield each part of a dump, once size and digest are as they should be.

    Raises BackupError at the first that is missing or damaged.
    """
    for number, part in enumerate(parts, 1):
        file = names.part_file(number)
        data = bytearray()
        try:
            for chunk in target.get(names.key(store, name, file)):
                data += chunk
                if len(data) > part.size:
                    break
        except ObjectMissingError as error:
            raise damaged(name, f"{file} is missing") from error
        if len(data) != part.size:
            found = "more" if len(data) > part.size else f"{len(data)}"
            raise damaged(name, f"{file} has {found} bytes instead of {part.size}")
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise damaged(name, f"{file} has other content than was stored")
        yield bytes(data)


class IteratorReader:
    """Reads the chunks of an iterator as one stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._current = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes, at least one unless at the end."""
        while not self._current:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._current = memoryview(chunk)
        size = len(self._current) if size < 0 else size
        chunk, self._current = bytes(self._current[:size]), self._current[size:]
        return chunk
