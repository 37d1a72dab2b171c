"""A real S3-speaking server for tests, which is strict about keys and checksums.

`make test` runs this as a program, so that no test waits while it is built.
"""

import http.client
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import binaries
from tests.support.own_server import OwnServer

ACCESS_KEY = "bookstore-tests"


class Versitygw(OwnServer):
    """A server of this test session's own; a bucket is a folder of its root."""

    name = "versitygw"

    def __init__(self, folder: Path) -> None:
        """Keep buckets below `folder`; the server is not started yet."""
        super().__init__(folder / "log")
        self.root = folder / "buckets"
        self.root.mkdir()
        self.secret = secrets.token_urlsafe(24)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        program = binaries.ensure(["versitygw"])["versitygw"]
        login = ("--access", ACCESS_KEY, "--secret", self.secret, "--quiet")
        listen = ("--port", f"127.0.0.1:{self._port}", "--keep-alive")
        self._start([program, *login, *listen, "posix", self.root], self._ask, OSError)

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
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse()
        finally:
            connection.close()


@contextmanager
def own_versitygw(folder: Path) -> Iterator[Versitygw]:
    """Start a server that nobody else uses."""
    server = Versitygw(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


if __name__ == "__main__":
    binaries.ensure(["versitygw"])
