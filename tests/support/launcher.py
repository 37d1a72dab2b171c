"""Starts commands of the API cheaply: by a process that has loaded the code, and forks.

A command spends most of a second of a processor on loading its code, as much as on all else that
most tests have it do. What is tested of the start itself is started as users do.
"""

import atexit
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import bookstore_api

ZYGOTE = Path(__file__).parent / "zygote.py"
START_SECONDS = 30.0


class Child:
    """A process that was started; like subprocess.Popen, as far as tests use that."""

    def __init__(self, pid: int, launcher: "Launcher") -> None:
        """Use `Launcher.start`."""
        self.pid = pid
        self.code: int | None = None
        """How it ended; minus the signal's number where one killed it."""
        self.ended = threading.Event()
        self._launcher = launcher

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        return self.code

    def wait(self, seconds: float) -> int:
        """Wait for its end; its exit code. Raises subprocess.TimeoutExpired."""
        if not self.ended.wait(seconds):
            raise subprocess.TimeoutExpired(f"process {self.pid}", seconds)
        assert self.code is not None
        return self.code

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        self._launcher.signal(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


class Launcher:
    """Starts commands of the code below a folder. Close it when done."""

    def __init__(self, root: Path) -> None:
        """Load the code: the package `bookstore_api` in `root`."""
        self._zygote = subprocess.Popen(
            [sys.executable, ZYGOTE],
            env={"PYTHONPATH": str(root), "PYTHONWARNINGS": "error"},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started: queue.SimpleQueue[Child] = queue.SimpleQueue()
        self._running: dict[int, Child] = {}
        self._one_order = threading.Lock()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(
        self,
        *arguments: str,
        env: Mapping[str, str],
        folder: Path,
        output: Path,
        errors: Path | None = None,
    ) -> Child:
        """Start a command in a folder; what it writes is added to `output`, or to `errors`."""
        with self._one_order:
            self._order(
                arguments=arguments,
                environment=dict(env),
                folder=str(folder),
                output=str(output),
                errors=str(errors or output),
            )
            return self._started.get(timeout=START_SECONDS)

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a process, unless it has ended."""
        with self._one_order:
            self._order(pid=pid, signal=int(number))

    def close(self) -> None:
        """End it, and kill what it has started."""
        for child in list(self._running.values()):
            child.kill()
            child.wait(START_SECONDS)
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.close()
        self._zygote.wait(START_SECONDS)
        self._listener.join(START_SECONDS)
        self._zygote.stdout.close()

    def _order(self, **what: object) -> None:
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps(what) + "\n")
        self._zygote.stdin.flush()

    def _listen(self) -> None:
        assert self._zygote.stdout is not None
        for line in self._zygote.stdout:
            report = json.loads(line)
            if "started" in report:
                child = Child(report["started"], self)
                self._running[child.pid] = child
                self._started.put(child)
            else:
                child = self._running.pop(report["ended"])
                child.code = report["code"]
                child.ended.set()


@cache
def own_launcher() -> Launcher:
    """Return the launcher of the code that is tested, one for the test process."""
    launcher = Launcher(Path(bookstore_api.__file__).parents[1])
    atexit.register(launcher.close)
    return launcher
