"""A real PgBouncer for tests: the one installed, or Debian's package, unpacked into the cache."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from devcluster.errors import DevclusterError
from devcluster.offline import debian
from tests.support.own_server import OwnServer, ServerMissingError
from tests.support.postgres import query

PoolMode = Literal["session", "transaction", "statement"]

# Its libraries have other names in other releases of Debian and Ubuntu.
LIBRARIES = ("libevent-2.1-7", "libevent-2.1-7t64", "libc-ares2", "libcares2")


class PgBouncer(OwnServer):
    """A pooler before a server of this machine."""

    name = "PgBouncer"

    def __init__(self, folder: Path, url: str, mode: PoolMode, root: Path | None) -> None:
        """Pool connections to the server at `url`; `root` is where the package is unpacked."""
        super().__init__(folder / "log")
        self._root, self._file = root, folder / "pgbouncer.ini"
        parts = urlsplit(url)
        users = folder / "users"
        users.write_text(f'"{parts.username}" "{parts.password}"\n', encoding="utf-8")
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self._port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "pool_mode": mode,
            # Fewer than a process has, so that connections are shared.
            "default_pool_size": 20 if mode == "session" else 3,
        }
        if os.geteuid() == 0:
            settings["user"] = "nobody"  # it refuses to stay root
            for path in (folder, users):
                shutil.chown(path, "nobody")
        lines = [f"{name} = {value}" for name, value in settings.items()]
        databases = f"[databases]\n* = host=127.0.0.1 port={parts.port}\n"
        self._file.write_text(databases + "[pgbouncer]\n" + "\n".join(lines), encoding="utf-8")
        if os.geteuid() == 0:
            shutil.chown(self._file, "nobody")
        self.url = parts._replace(
            netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self._port}"
        ).geturl()

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = dict(os.environ)
        program = Path(shutil.which("pgbouncer") or "/usr/sbin/pgbouncer")
        if self._root is not None:
            program = self._root / "usr/sbin/pgbouncer"
            libraries = sorted({str(file.parent) for file in self._root.rglob("*.so*")})
            environment["LD_LIBRARY_PATH"] = ":".join(libraries)
        self._start(
            [program, self._file],
            lambda: query(self.url, "SELECT 1"),
            (OSError, asyncpg.PostgresError),
            env=environment,
        )


@contextmanager
def running_pgbouncer(url: str, mode: PoolMode) -> Iterator[PgBouncer]:
    """Start a pooler before the server at `url`; raises ServerMissingError."""
    root = None
    if shutil.which("pgbouncer") is None and not Path("/usr/sbin/pgbouncer").exists():
        try:
            root = debian.unpacked(("pgbouncer",), LIBRARIES, what="PgBouncer")
        except DevclusterError as error:
            msg = f"no PgBouncer: install it (apt-get install pgbouncer). {error}"
            raise ServerMissingError(msg) from None
    with tempfile.TemporaryDirectory(prefix="bookstore-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = PgBouncer(folder, url, mode, root)
        try:
            server.start()
            yield server
        finally:
            server.stop()
