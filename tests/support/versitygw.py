"""A real S3-speaking server for tests, which is strict about keys and checksums.

`make test` runs this as a program, so that no test waits while it is built.
"""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import binaries
from tests.support.own_server import OwnServer

ACCESS_KEY = "bookstore-tests"


class Versitygw(OwnServer):
    """A server of this test session's own; a bucket is a folder of its root."""

    name = "versitygw"

    def __init__(self, folder: Path, tls: tuple[Path, Path] | None = None) -> None:
        """Keep buckets below `folder`; with certificate and key for TLS. It is not started yet."""
        super().__init__(folder / "log")
        self.root = folder / "buckets"
        self.root.mkdir()
        self.secret = secrets.token_urlsafe(24)
        self._tls = tls

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        program = binaries.ensure(["versitygw"])["versitygw"]
        login = ("--access", ACCESS_KEY, "--secret", self.secret, "--quiet")
        listen = ("--port", f"127.0.0.1:{self._port}", "--keep-alive")
        tls = ("--cert", self._tls[0], "--key", self._tls[1]) if self._tls else ()
        self._start([program, *login, *listen, *tls, "posix", self.root], self._ask, OSError)

    def create_bucket(self) -> str:
        """Create an empty bucket and return its name."""
        name = f"bucket-{secrets.token_hex(6)}"
        (self.root / name).mkdir()
        return name

    def write_keys(self, folder: Path, *, secret: str | None = None) -> Path:
        """Write the files of a Secret with the keys, as they are mounted."""
        folder.mkdir(exist_ok=True)
        (folder / "access-key-id").write_text(ACCESS_KEY)
        (folder / "secret-access-key").write_text(secret or self.secret)
        return folder

    def _ask(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=5):
            pass


@contextmanager
def own_versitygw(folder: Path, tls: tuple[Path, Path] | None = None) -> Iterator[Versitygw]:
    """Start a server that nobody else uses."""
    server = Versitygw(folder, tls)
    try:
        server.start()
        yield server
    finally:
        server.stop()


if __name__ == "__main__":
    binaries.ensure(["versitygw"])
