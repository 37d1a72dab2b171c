"""What a change of a file needs, in a development loop: a copy into the Pods, a build, or nothing.

Pure: what is watched and how it is carried out is in dev.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

CODE = "api/"
"""What the paths in the Pods lack, in front of the package."""
_PACKAGE = PurePosixPath("api/bookstore_api")
_MIGRATIONS = _PACKAGE / "db/migrations"
WATCHED = ("api", "operator", "backup", "requirements", "scripts")
"""The folders that images are built from, beside the Dockerfiles."""
IGNORED = frozenset(
    {"__pycache__", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", "build"}
)


class Part(StrEnum):
    """An image; the value is the end of its Dockerfile's name."""

    API = "api"
    OPERATOR = "operator"
    BACKUP = "backup"


@dataclass(frozen=True)
class Needs:
    """What changes need: files to copy into the Pods, images to build."""

    copies: frozenset[str] = frozenset()
    builds: tuple[Part, ...] = ()


def needs(changed: Iterable[str]) -> Needs:
    """Return what changed files need, by their paths in the repository.

    A build of the API makes copies of its files superfluous.
    """
    paths = [path for path in changed if not is_ignored(path)]
    builds = tuple(part for part in Part if any(_is_built_into(path, part) for path in paths))
    copies = frozenset(path for path in paths if is_copied(path))
    return Needs(frozenset() if Part.API in builds else copies, builds)


def is_copied(path: str) -> bool:
    """Whether the API's Pods serve a changed file without a new image.

    Not migrations: the Job of a release runs them.
    """
    file = PurePosixPath(path)
    if not file.is_relative_to(_PACKAGE) or file.is_relative_to(_MIGRATIONS):
        return False
    return file.suffix == ".py" or (file.suffix == ".toml" and file.parent == _PACKAGE / "settings")


def is_ignored(path: str) -> bool:
    """Whether a file is in no image: caches, and what editors write beside a file."""
    file = PurePosixPath(path)
    hidden = any(name in IGNORED or name.endswith(".egg-info") for name in file.parts)
    return hidden or file.name.startswith((".", "#")) or file.name.endswith(("~", ".pyc", ".swp"))


def _is_built_into(path: str, part: Part) -> bool:
    """Whether an image has to be built for a changed file."""
    top, _, rest = path.partition("/")
    if top == part.value:
        return not (part is Part.API and is_copied(path))
    if top == "requirements":
        return rest in {f"{part.value}.txt", "build.txt"}
    return path in {f"Dockerfile.{part.value}", "scripts/runtime-root"}


@dataclass
class Copies:
    """The files that differ from the image that serves, and which Pods have them already.

    A Pod that starts later, or again, has the image's files: it gets all of them.
    """

    _pending: dict[str, int] = field(default_factory=dict)
    """The number of the change by path."""
    _count: int = 0
    _have: dict[str, int] = field(default_factory=dict)
    """The number of the last change that a container has, by its id."""

    def add(self, paths: Iterable[str]) -> None:
        """Note that files have changed, or are gone."""
        for path in paths:
            self._count += 1
            self._pending[path] = self._count

    def forget(self) -> None:
        """Note that a new image serves, which has them all."""
        self._pending.clear()

    def missing(self, container: str) -> frozenset[str]:
        """Return the files that a container has not got."""
        last = self._have.get(container, 0)
        return frozenset(path for path, number in self._pending.items() if number > last)

    def note(self, container: str) -> None:
        """Note that a container has got what it was missing."""
        self._have[container] = self._count


def difference(
    before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]
) -> frozenset[str]:
    """Return the files that have changed, are new, or are gone, by their times and sizes."""
    paths = before.keys() | after.keys()
    return frozenset(path for path in paths if before.get(path) != after.get(path))
