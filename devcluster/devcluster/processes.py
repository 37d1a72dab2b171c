"""Programs that keep running after this one has ended, and how to find and end them.

A process is known by its number and the moment it began: a number that has been given to another
program since is not taken for ours.
"""

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from devcluster.errors import CommandFailed

_TAIL_LINES = 12
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Process:
    """A process that was started: `began` is in clock ticks since the boot that `boot` names."""

    name: str
    pid: int
    began: int
    boot: str

    @classmethod
    def of(cls, name: str, pid: int) -> "Process":
        """Describe a process. Raises ProcessLookupError if there is none."""
        stat = _stat(pid)
        if stat is None:
            raise ProcessLookupError(pid)
        return cls(name, pid, stat.began, this_boot())

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Process":
        """Read what `to_json` returned. Raises KeyError, TypeError or ValueError if it did not."""
        return cls(str(value["name"]), int(value["pid"]), int(value["began"]), str(value["boot"]))

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `from_json` reads."""
        return asdict(self)

    @property
    def alive(self) -> bool:
        """Whether this very process is running; a zombie is not."""
        return _stat(self.pid) == _Stat(self.began, zombie=False) and self.boot == this_boot()

    def memory(self) -> int:
        """Return the bytes of memory that it holds, 0 if it has ended."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0


def start(
    name: str,
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
) -> Process:
    """Start a program that outlives this one, in a session of its own; its output goes to `log`.

    `env` adds to this process's variables. Raises CommandFailed if it can't be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("ab") as file:
            child = subprocess.Popen(
                argv,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise CommandFailed(f"{name} can't be started: {error}", argv=(str(argv[0]),)) from error
    _children[child.pid] = child
    return Process.of(name, child.pid)


def end(processes: Iterable[Process], *, seconds: float = 10.0, politely: bool = True) -> None:
    """End processes, in the given order but together, and return when all are gone.

    Those that still run after `seconds` are killed; without `politely` all are killed at once.
    Other processes that have got one of their numbers are left alone.
    """
    signals = (signal.SIGTERM, signal.SIGKILL) if politely else (signal.SIGKILL,)
    running = [(process, handle) for process in processes if (handle := _open(process))]
    try:
        for number in signals:
            for _, handle in running:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, number)
            running = [
                (process, handle)
                for process, handle in running
                if not _wait(process, handle, seconds)
            ]
    finally:
        for _, handle in running:
            os.close(handle)


def matching(condition: Callable[[Path], bool]) -> list[Process]:
    """Return the running processes whose folder in /proc fulfills a condition."""
    processes = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            if condition(folder):
                processes.append(
                    Process.of((folder / "comm").read_text().strip(), int(folder.name))
                )
    return [process for process in processes if process.alive]


def working_in(folder: Path, programs: Path) -> list[Process]:
    """Return the processes that work in a folder and run a program from below `programs`."""
    return matching(
        lambda process: (
            (process / "exe").readlink().is_relative_to(programs)
            and (process / "cwd").readlink() == folder
        )
    )


def tail(log: Path) -> str:
    """Return the last lines of a log, as much as a person wants to read."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])


# This process has to wait for its own children, or they stay as zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}


def _open(process: Process) -> int | None:
    """Return a file descriptor that stands for the process, whoever gets its number later."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return None
    if process.alive:
        return handle
    os.close(handle)
    _reap(process)
    return None


def _wait(process: Process, handle: int, seconds: float) -> bool:
    """Wait until a process ends, and close its handle then; return False if it takes too long."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)  # readable once the process has ended
    if not poll.poll(seconds * 1000):
        return False
    os.close(handle)
    _reap(process)
    return True


def _reap(process: Process) -> None:
    child = _children.pop(process.pid, None)
    if child is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=1)


@dataclass(frozen=True)
class _Stat:
    began: int
    zombie: bool


def _stat(pid: int) -> _Stat | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may contain anything: count the fields after it.
    fields = stat.rpartition(")")[2].split()
    return _Stat(began=int(fields[19]), zombie=fields[0] in {"Z", "X"})


def this_boot() -> str:
    """Return a name for the time since this machine was booted; "" where there is none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
