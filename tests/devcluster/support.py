"""What the tests of devcluster share: programs that they run, and waiting for what these do."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devcluster import binaries, controlplane, paths

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
needs_programs = pytest.mark.skipif(
    not all(binaries.cached(name) for name in controlplane.PROGRAMS),
    reason="the programs are not there yet: devcluster prepare --control-plane",
)
# In a network namespace of its own a machine has a loopback interface, which is down.
UP_LOOPBACK = """
import fcntl, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    fcntl.ioctl(control, 0x8914, b"lo".ljust(16, b"\\0") + struct.pack("H", 0x49) + bytes(22))
"""


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.02)


def python(code: str) -> list[str]:
    """Return the command that runs this code."""
    return [sys.executable, "-c", code]


def devcluster(*arguments: str) -> list[str]:
    """Return the command `devcluster` with these arguments."""
    return [sys.executable, "-m", "devcluster.cli", *arguments]


def start(argv: list[str], **variables: str) -> subprocess.Popen[str]:
    """Start a program; all that it prints is in its standard output."""
    return subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **variables},
    )


def execute(argv: list[str], **variables: str) -> tuple[int, str]:
    """Run a program to its end; return its exit code and all that it printed."""
    with start(argv, **variables) as process:
        printed, _ = process.communicate(timeout=120)
    assert "Traceback" not in printed
    return process.returncode, printed


@contextlib.contextmanager
def waiting(code: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run code that prints a line and then waits for its input; give the process and the line."""
    with subprocess.Popen(
        python(f"import sys\n{code}"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def write_program(path: Path, text: str) -> Path:
    """Write a script that can be run, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def write_state(cluster: str, file: str, content: object) -> Path:
    """Write a file of a cluster's state, JSON unless it is text; return the cluster's folder."""
    folder = paths.cluster(cluster)
    folder.mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / file).write_text(text)
    return folder


def stopped_plane(name: str, *processes: dict[str, object]) -> Path:
    """Write the state of a control plane that is not running; return its folder."""
    state = {"port": 1, "processes": processes, "token": "", "settings": "", "owner": None}
    return write_state(name, "control-plane.json", state)


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    """Give a port on 127.0.0.1 on which this process listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def web_server(folder: Path, handler: type[QuietHandler] = QuietHandler) -> Iterator[str]:
    """Serve a folder, and give the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    server.daemon_threads = True
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
