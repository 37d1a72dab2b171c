"""The API as users and the operator have it: as commands, as a process, as a server in a thread."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp

from bookstore_api.app import create_app
from bookstore_api.db.schema.migrate import Migration, migrate
from bookstore_api.db.schema.tree import SCRIPTS, Branch
from bookstore_api.db.sessions import open_database
from bookstore_api.settings import Settings
from bookstore_api.shop.domains import self_test
from bookstore_api.uris.database import SqliteFile, parse_database_uri
from bookstore_api.web.resources import make_resources
from bookstore_api.web.server.serve import make_server
from tests.support.launcher import Child, own_launcher
from tests.support.postgres import query

T = TypeVar("T")
WAIT_SECONDS = 30.0
# All tests ask from one address.
UNLIMITED = {"rate_limit_reads": "off", "rate_limit_writes": "off"}


def wait_for(ask: Callable[[], T | None], what: str, *, seconds: float = WAIT_SECONDS) -> T:
    """Ask again and again until the answer is something; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        if (answer := ask()) is not None:
            return answer
        if time.monotonic() > deadline:
            msg = f"waited {seconds:g} s for {what}"
            raise AssertionError(msg)
        time.sleep(0.02)


def wait_until(holds: Callable[[], object], what: str, *, seconds: float = WAIT_SECONDS) -> None:
    """Ask again and again until the answer is true; fails after `seconds`."""
    wait_for(lambda: holds() or None, what, seconds=seconds)


def environment(url: str | None, folder: Path, **settings: object) -> dict[str, str]:
    """Make the environment of a command, with nothing of ours but what is given."""
    inherited = {name: value for name, value in os.environ.items() if "BOOKSTORE_" not in name}
    given = {f"BOOKSTORE_{name.upper()}": str(value) for name, value in settings.items()}
    given.setdefault("BOOKSTORE_SECRETS_DIR", str(folder / "no-secrets"))
    for name, value in UNLIMITED.items():
        given.setdefault(f"BOOKSTORE_{name.upper()}", value)
    if url is not None:
        given["BOOKSTORE_DATABASE_URL"] = url
    return inherited | {"PYTHONWARNINGS": "error"} | given


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    output: str
    errors: str

    @property
    def outcome(self) -> dict[str, Any]:
        """Its last line of output."""
        outcome: dict[str, Any] = json.loads(self.output.splitlines()[-1])
        return outcome


def command_line(*arguments: str) -> list[str]:
    """Return a command of the API as this Python would start it."""
    return [sys.executable, "-m", "bookstore_api", *arguments]


def run_command(*arguments: str, env: Mapping[str, str], cwd: Path) -> Ended:
    """Run a command of the API to its end."""
    with tempfile.TemporaryDirectory() as name:
        output, errors = Path(name, "output"), Path(name, "errors")
        output.touch()
        errors.touch()
        started = own_launcher().start(
            *arguments, env=env, folder=cwd, output=output, errors=errors
        )
        try:
            code = started.wait(60)
        finally:
            started.kill()
        return Ended(code, output.read_text(encoding="utf-8"), errors.read_text(encoding="utf-8"))


def apply_schema(url: str, branch: Branch = Branch.EXPAND, *, scripts: Path = SCRIPTS) -> None:
    """Migrate a database in this process."""

    async def run() -> None:
        database = open_database(Settings.model_validate({"database_url": url}), pool_size=2)
        try:
            outcome = await migrate(database, Migration(branch, 60, scripts), self_test)
        finally:
            await database.close()
        assert outcome.exit_code == 0, outcome

    asyncio.run(run())


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement on a database of either kind, committed; its rows."""
    address = parse_database_uri(url)
    if not isinstance(address, SqliteFile):
        return query(url, statement)
    with closing(sqlite3.connect(address.path, timeout=10)) as connection, connection:
        return connection.execute(statement).fetchall()


@dataclass(frozen=True)
class Served:
    """A server in a thread of this process."""

    url: str
    client: httpx.Client


def app_of(settings: Settings) -> FastAPI:
    """The public app on resources of its own, which are closed when it ends."""
    resources = make_resources(settings, self_test)
    app = create_app(resources)
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def closing(app: FastAPI) -> AsyncIterator[Any]:
        try:
            async with lifespan(app) as state:
                yield state
        finally:
            await resources.close()

    app.router.lifespan_context = closing
    return app


@contextmanager
def served_on(url: str) -> Iterator[Served]:
    """Serve the API on a database."""
    settings = Settings.model_validate({"database_url": url, **UNLIMITED})
    with served(app_of(settings), settings) as client:
        yield Served(url, client)


@contextmanager
def served(app: ASGIApp, settings: Settings | None = None) -> Iterator[httpx.Client]:
    """Serve an app by a real server in a thread; a client of it."""
    settings = settings or Settings()
    server = make_server(app, settings, shutdown_seconds=5, origins=settings.cors_origins)
    server.config.port = 0
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started or None, "the server to start")
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


class Process:
    """`bookstore-api serve` as a process of its own, on free ports unless its settings name one."""

    def __init__(self, env: Mapping[str, str], cwd: Path, *, module: str = "bookstore_api") -> None:
        """Start it; it serves when `wait_until_serving` returns."""
        ports = {"BOOKSTORE_PORT": "0", "BOOKSTORE_INTERNAL_PORT": "0"}
        self._log = cwd / f"serve-{time.monotonic_ns()}.log"
        self._log.touch()
        self.url = ""
        self.internal_url = ""
        self._process: Child | subprocess.Popen[bytes]
        if module == "bookstore_api":
            self._process = own_launcher().start(
                "serve", env={**ports, **env}, folder=cwd, output=self._log
            )
            return
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, "serve"],
                env={**ports, **env},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def raw_lines(self) -> list[str]:
        """Return the whole lines of its log so far."""
        whole, _, _ = self._log.read_text(encoding="utf-8").rpartition("\n")
        return whole.splitlines()

    def lines(self) -> list[dict[str, Any]]:
        """Return its log so far; every line must be JSON."""
        return [json.loads(line) for line in self.raw_lines()]

    def wait_until_serving(self) -> "Process":
        """Wait until both ports are open."""
        line = wait_for(self._serving_line, "the process to serve")
        self.url, self.internal_url = line["url"], line["internal_url"]
        wait_for(lambda: self.answers("/livez") or None, "the process to answer")
        return self

    def wait_until_ready(self) -> "Process":
        """Wait until it says that it is ready."""
        self.wait_until_serving()
        wait_for(lambda: self.answers("/readyz") or None, "the process to be ready")
        return self

    def answers(self, path: str) -> bool:
        """Whether the internal port answers 200."""
        try:
            return self.internal(path).status_code == 200
        except httpx.TransportError:
            return False

    def internal(self, path: str) -> httpx.Response:
        """Ask the internal port."""
        return httpx.get(self.internal_url + path, timeout=20)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float = WAIT_SECONDS) -> int:
        """Wait for its end; its exit code."""
        return self._process.wait(seconds)

    def _serving_line(self) -> dict[str, Any] | None:
        if self._process.poll() is not None:
            msg = f"the process ended: {self._log.read_text(encoding='utf-8')}"
            raise AssertionError(msg)
        return next((line for line in self.lines() if line["event"] == "serving"), None)

    def close(self) -> None:
        """End it by force, where it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(WAIT_SECONDS)


StartProcess = Callable[..., Process]
"""Of the fixture `start`: a URI or None, and settings by name."""
