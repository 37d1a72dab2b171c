"""One at a time: a file lock for each thing that two commands could do at once."""

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from devcluster import paths, progress
from devcluster.errors import DevclusterError

_POLL_SECONDS = 0.1
_REPORT_AFTER_SECONDS = 1.0


@contextlib.contextmanager
def locked(resource: str, *, timeout: float = 1800.0) -> Iterator[None]:
    """Hold the lock of `resource` ("ports", "cluster-bookstore") for the block.

    Waits up to `timeout` seconds for another process, saying which one it waits for; then raises
    DevclusterError. The programs that the block runs inherit the lock (`inherited_locks`): if this
    process is killed, the lock is released when they have ended. Not reentrant.
    """
    file = paths.locks() / f"{re.sub(r'[^A-Za-z0-9._-]', '-', resource)}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptors = _descriptors()
    lock = FileLock(file, mode=0o600, poll_interval=_POLL_SECONDS, on_acquired=descriptors.append)
    _acquire(lock, file, resource, timeout)
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:80]
    try:
        file.write_text(f"process {os.getpid()} ({command})")
        yield
    finally:
        file.write_text("")
        descriptors.pop()
        lock.release()


def inherited_locks() -> tuple[int, ...]:
    """Return the file descriptors of this thread's locks, for the programs that it runs.

    If this process is killed, what it started may still be writing: the lock lasts until then.
    """
    return tuple(_descriptors())


_held = threading.local()


def _descriptors() -> list[int]:
    descriptors: list[int] = _held.__dict__.setdefault("descriptors", [])
    return descriptors


def _acquire(lock: FileLock, file: Path, resource: str, timeout: float) -> None:
    began = time.monotonic()
    with contextlib.suppress(Timeout):
        lock.acquire(timeout=min(timeout, _REPORT_AFTER_SECONDS))
        return
    holder = _holder(file)
    try:
        if timeout > _REPORT_AFTER_SECONDS:
            progress.say(f"Waiting for {resource}, held by {holder}")
        lock.acquire(timeout=max(timeout - _REPORT_AFTER_SECONDS, 0))
    except Timeout:
        raise DevclusterError(
            f"Waited {time.monotonic() - began:.0f} s for {resource}, which is held by {holder}.",
            "Let it finish, or end that process, and try again.",
        ) from None


def _holder(file: Path) -> str:
    description = file.read_text(errors="replace").strip()
    pid = re.match(r"process (\d+)", description)
    if pid and not Path(f"/proc/{pid[1]}").exists() and Path("/proc/self").exists():
        return f"what {description} left running"
    return description or "another process"
