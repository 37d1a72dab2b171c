"""What every target can do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Stored:
    """An object of a target."""

    key: str
    size: int


class Target(Protocol):
    """Holds objects by key. A put is whole or not there; its errors are BackupErrors."""

    @property
    def where(self) -> str:
        """The target in words, without credentials."""

    def put(self, key: str, data: bytes) -> None:
        """Store an object durably."""

    def get(self, key: str) -> Iterator[bytes]:
        """Yield the content of an object; raises ObjectMissingError."""

    def objects(self, prefix: str) -> list[Stored]:
        """Return the objects whose keys begin so, by key. A prefix ends with a slash."""

    def dumps_at_root(self) -> list[Stored]:
        """Return the dumps that a CronJob of older operators left on a volume."""

    def delete(self, key: str) -> None:
        """Delete an object; one that is gone already is no error."""


class ObjectMissingError(Exception):
    """There is no such object."""
