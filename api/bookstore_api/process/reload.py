"""Serves a copy of the code that may be changed, and starts again after each change.

For the stage `dev` of Dockerfile.api: the root file system is read-only there, so that the code
that files are synced into has to be a copy. Never for production.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import structlog

import bookstore_api
from bookstore_api.process import signals

VARIABLE = "BOOKSTORE_RELOAD"
POLL_SECONDS = 0.25

log = structlog.stdlib.get_logger(__name__)


def serve_reloading(folder: Path) -> None:
    """Serve from `folder`/bookstore_api until a signal comes; the copy is made if there is none.

    The server is a process of its own. When it ends by itself, as after a syntax error, the next
    change starts it again.
    """
    copy_code(folder)
    told_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_stop.set())
    if signals.kept():
        return
    while not told_to_stop.is_set():
        served = _versions(folder)
        log.info("starting", folder=str(folder))
        with subprocess.Popen(_SERVE, env=_environment(folder)) as server:
            while not told_to_stop.wait(POLL_SECONDS) and _versions(folder) == served:
                pass
            server.terminate()


def copy_code(folder: Path) -> None:
    """Copy the installed code, unless a container before this one of the same Pod did."""
    target = folder / "bookstore_api"
    if target.exists():
        return
    unfinished = folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    source = Path(bookstore_api.__file__).parent
    shutil.copytree(source, unfinished, ignore=shutil.ignore_patterns("__pycache__"))
    unfinished.rename(target)


# -P: the working folder is no place for code.
_SERVE = (sys.executable, "-P", "-m", "bookstore_api", "serve")


def _environment(folder: Path) -> dict[str, str]:
    """Return what makes a server use the copy, and leave its ports to the next one at once."""
    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return kept | {"PYTHONPATH": str(folder), "BOOKSTORE_DRAIN_SECONDS": "0"}


def _versions(folder: Path) -> dict[Path, int]:
    """Return when each file of the code, and of the settings that come with it, was changed."""
    changed_at = {}
    for file in (folder / "bookstore_api").rglob("*"):
        if file.suffix not in {".py", ".toml"}:
            continue
        try:
            changed_at[file] = file.stat().st_mtime_ns
        except FileNotFoundError:
            continue  # removed just now: the next look sees that
    return changed_at
