"""One at a time: a file lock for each thing that two commands could do at once."""

import contextlib
import fcntl
import os
import re
import sys
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
    DevclusterError. The lock goes with the process, so one that was killed blocks nobody.
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
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, file: Path, resource: str, timeout: float) -> None:
    began = time.monotonic()
    told = False
    while not _try(descriptor):
        waited = time.monotonic() - began
        holder = file.read_text(errors="replace").strip() or "another process"
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


def _self_description() -> str:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:80]
    return f"process {os.getpid()} ({command})"
