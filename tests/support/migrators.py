"""Many migrations at once, each a process of its own that runs the command of newer code."""

import json
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bookstore_api
from tests.support.bookstore import wait_until
from tests.support.launcher import Child, Launcher
from tests.support.migrations import Script


@dataclass(frozen=True)
class NewerCode:
    """A copy of the API's package that brings more migrations."""

    root: Path

    @property
    def scripts(self) -> Path:
        """The folder of its migrations."""
        return self.root / "bookstore_api" / "db" / "migrations"


def newer_package(root: Path, *scripts: Script) -> NewerCode:
    """Copy the API into a folder and give it more migrations."""
    source = Path(bookstore_api.__file__).parent
    shutil.copytree(
        source, root / "bookstore_api", ignore=shutil.ignore_patterns("__pycache__", ".*")
    )
    for script in scripts:
        script.write(root / "bookstore_api" / "db" / "migrations" / "versions")
    return NewerCode(root)


@dataclass(frozen=True)
class Migrator:
    """One process of `bookstore-api migrate`."""

    process: Child
    output: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def code(self) -> int | None:
        """How it ended; minus the signal's number where one killed it. None while it runs."""
        return self.process.code

    def lines(self) -> list[dict[str, Any]]:
        """What it has written so far: its log and, last, its outcome."""
        whole, _, _ = self.output.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def outcome(self) -> dict[str, Any]:
        """What it said in the end."""
        return self.lines()[-1]


class Migrators:
    """Starts them, and knows which have ended."""

    def __init__(self, launcher: Launcher, folder: Path) -> None:
        """Use `migrators_of`."""
        self._launcher, self._folder = launcher, folder
        self._all: list[Migrator] = []

    def start(self, *arguments: str, env: Mapping[str, str]) -> Migrator:
        """Start a command."""
        output = self._folder / f"migrator-{len(self._all)}.log"
        output.touch()
        process = self._launcher.start(*arguments, env=env, folder=self._folder, output=output)
        self._all.append(Migrator(process, output))
        return self._all[-1]

    def signal(self, migrator: Migrator, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        migrator.process.send_signal(number)

    def running(self) -> list[Migrator]:
        """Return those that have not ended."""
        return [migrator for migrator in self._all if migrator.code is None]

    def wait(self, seconds: float = 60) -> None:
        """Wait until all have ended."""
        wait_until(lambda: not self.running(), "the migrations to end", seconds=seconds)


@contextmanager
def migrators_of(code: NewerCode, folder: Path) -> Iterator[Migrators]:
    """Start processes of newer code, their output in `folder`; those left over are killed."""
    launcher = Launcher(code.root)
    try:
        yield Migrators(launcher, folder)
    finally:
        launcher.close()
