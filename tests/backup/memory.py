"""A target in memory, for properties of streams."""

from collections.abc import Iterator

from bookstore_backup.model import names
from bookstore_backup.storage.stream import PartsReader, PartsWriter
from bookstore_backup.storage.target import ObjectMissingError, Stored

NAME = "20260101T031700Z-00ab12"


class Memory:
    """Objects in a dict."""

    where = "memory"

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def put(self, key: str, data: bytes) -> None:
        self.content[key] = data

    def get(self, key: str) -> Iterator[bytes]:
        if key not in self.content:
            raise ObjectMissingError(key)
        yield self.content[key]

    def objects(self, prefix: str) -> list[Stored]:
        return [Stored(k, len(v)) for k, v in self.content.items() if k.startswith(prefix)]

    def dumps_at_root(self) -> list[Stored]:
        return []

    def delete(self, key: str) -> None:
        self.content.pop(key, None)


def round_trip(pieces: list[bytes], size: int) -> bytes:
    """Write pieces in parts of a size, and read them back in other pieces."""
    target = Memory()
    key = names.part_file
    with PartsWriter(target, lambda n: names.key("shop", NAME, key(n)), lambda _: size) as writer:
        for piece in pieces:
            writer.write(piece)
        parts = writer.finish()
    assert all(part.size == size for part in parts[:-1])
    reader = PartsReader(target, "shop", NAME, parts)
    return b"".join(iter(lambda: reader.read(777), b""))
