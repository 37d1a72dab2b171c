"""One at a time: a file lock for each thing that two commands could do at once."""

import contextlib
import fcntl
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from devcluster import paths, progress
from devcluster.errors import DevclusterError

_POLL_SECONDS = 0.1
_TELL_AFTER_SECONDS = 1.0


@contextlib.contextmanager
def locked(resource: str, *, timeout: float = 1800.0) -> Iterator[None]:
    """Hold the lock of `resource` ("binaries", "cluster-bookstore") for the block.

    Waits up to `timeout` seconds for another process, saying who it waits for; then raises
    DevclusterError. The lock goes with the process and with the programs that it runs meanwhile
    (`inherited`): one that was killed blocks nobody once they have ended, too.
    Not reentrant: whoever holds a lock and asks for it again waits for itself.
    """
    file = paths.locks() / f"{re.sub(r'[^A-Za-z0-9._-]', '-', resource)}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    # Never deleted: a lock file that is removed while another waits for it locks nothing.
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, file, resource, timeout)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _self_description().encode(), 0)
        _mine().append(descriptor)
        try:
            yield
        finally:
            _mine().remove(descriptor)
            os.ftruncate(descriptor, 0)
            # For programs that inherited it and go on, too: this block is what was locked.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def inherited() -> tuple[int, ...]:
    """Return the file descriptors of this thread's locks, for the programs that it runs.

    If this process is killed, what it started may still be writing: the lock lasts until then.
    """
    return tuple(_mine())


_held = threading.local()


def _mine() -> list[int]:
    descriptors: list[int] = _held.__dict__.setdefault("descriptors", [])
    return descriptors


def _acquire(descriptor: int, file: Path, resource: str, timeout: float) -> None:
    began = time.monotonic()
    told = False
    while not _try(descriptor):
        waited = time.monotonic() - began
        holder = _holder(file)
        if waited >= timeout:
            raise DevclusterError(
                f"Waited {waited:.0f} s for {resource}, which is held by {holder}.",
                "Let it finish, or end that process, and try again.",
            )
        if not told and waited >= _TELL_AFTER_SECONDS:
            progress.say(f"Waiting for {resource}, held by {holder}")
            told = True
        time.sleep(_POLL_SECONDS)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: Path) -> str:
    described = file.read_text(errors="replace").strip()
    pid = re.match(r"process (\d+)", described)
    if pid and not Path(f"/proc/{pid[1]}").exists() and Path("/proc/self").exists():
        return f"what {described} left running"
    return described or "another process"


def _self_description() -> str:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:80]
    return f"process {os.getpid()} ({command})"
