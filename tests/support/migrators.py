"""Many migrations at once, each a process of its own that runs the command of newer code."""

import json
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bookstore_api
from tests.support.bookstore import WAIT_SECONDS, wait_until
from tests.support.migrations import Script

ZYGOTE = Path(__file__).parent / "zygote.py"


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


@dataclass
class Migrator:
    """One process of `bookstore-api migrate`."""

    pid: int
    output: Path
    code: int | None = None
    """How it ended; minus the signal's number where one killed it."""

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

    def __init__(self, zygote: "subprocess.Popen[str]", folder: Path) -> None:
        """Use `migrators_of`."""
        self._zygote, self._folder = zygote, folder
        self._started: queue.SimpleQueue[Migrator] = queue.SimpleQueue()
        self._running: dict[int, Migrator] = {}
        self._count = 0
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def start(self, *arguments: str, env: Mapping[str, str]) -> Migrator:
        """Start a command."""
        self._count += 1
        self._order(
            arguments=arguments,
            environment=dict(env),
            folder=str(self._folder),
            output=str(self._output()),
        )
        return self._started.get(timeout=WAIT_SECONDS)

    def signal(self, migrator: Migrator, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        self._order(pid=migrator.pid, signal=int(number))

    def running(self) -> list[Migrator]:
        """Return those that have not ended."""
        return list(self._running.values())

    def wait(self, seconds: float = 60) -> None:
        """Wait until all have ended."""
        wait_until(lambda: not self._running, "the migrations to end", seconds=seconds)

    def _output(self) -> Path:
        path = self._folder / f"migrator-{self._count}.log"
        path.touch()
        return path

    def _order(self, **what: object) -> None:
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps(what) + "\n")
        self._zygote.stdin.flush()

    def _listen(self) -> None:
        assert self._zygote.stdout is not None
        for line in self._zygote.stdout:
            report = json.loads(line)
            if "started" in report:
                migrator = Migrator(report["started"], self._output())
                self._running[migrator.pid] = migrator
                self._started.put(migrator)
            else:
                self._running.pop(report["ended"]).code = report["code"]


@contextmanager
def migrators_of(code: NewerCode, folder: Path) -> Iterator[Migrators]:
    """Start processes of newer code, their output in `folder`; those left over are killed."""
    zygote = subprocess.Popen(
        [sys.executable, ZYGOTE],
        env={"PYTHONPATH": str(code.root), "PYTHONWARNINGS": "error"},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    migrators = Migrators(zygote, folder)
    try:
        yield migrators
    finally:
        for migrator in migrators.running():
            migrators.signal(migrator, signal.SIGKILL)
        migrators.wait()
        assert zygote.stdin is not None
        zygote.stdin.close()
        zygote.wait(WAIT_SECONDS)
        migrators.listener.join(WAIT_SECONDS)
        assert zygote.stdout is not None
        zygote.stdout.close()
