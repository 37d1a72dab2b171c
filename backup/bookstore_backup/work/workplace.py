"""What the work is done with."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from bookstore_backup.storage.repository import Repository

LOCK_WAIT_SECONDS = 300.0


class Report(Protocol):
    """Shows how far the work is."""

    def step(self, name: str) -> None:
        """Begin a step."""

    def advance(self, size: int) -> None:
        """Count bytes of the step."""


class Silent:
    """Shows nothing."""

    def step(self, name: str) -> None:
        """Ignore it."""

    def advance(self, size: int) -> None:
        """Ignore it."""


@dataclass(frozen=True)
class Workplace:
    """A store's backups, the client tools by major version, the keys that open backups."""

    repository: Repository
    tools: dict[int, str]
    identities: list[Any] = field(default_factory=list, repr=False)
    report: Report = field(default_factory=Silent)
    lock_wait: float = LOCK_WAIT_SECONDS
    scratch: Path | None = None


PartSize = Callable[[int], int]


def adjusted(
    workplace: Workplace, lock_wait: float = LOCK_WAIT_SECONDS, scratch: Path | None = None
) -> Workplace:
    """Return the same workplace with another patience, or another folder for a drill's server."""
    return replace(workplace, lock_wait=lock_wait, scratch=scratch)
