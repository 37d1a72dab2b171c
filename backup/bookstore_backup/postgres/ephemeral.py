"""A PostgreSQL for one drill: in a new folder, on a free port, gone afterwards."""

import fcntl
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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model import problems
from bookstore_backup.postgres.connection import Database, connected

START_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05
USER = "drill"
PREFIX = "bookstore-drill-"
LOCK = "lock"
# Nothing of it outlives the drill, so nothing has to survive a crash.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
}


@contextmanager
def ephemeral_server(folder: str, scratch: Path | None) -> Iterator[Database]:
    """Start a server from the package of the client tools; yield its database `postgres`.

    PostgreSQL refuses to run as root, so root runs it as `nobody`.
    """
    postgres, initdb = Path(folder) / "postgres", Path(folder) / "initdb"
    if not (postgres.exists() and initdb.exists()):
        raise BackupError(
            Code.NO_TOOLS,
            f"{folder} has no postgres and initdb, so a drill can't start a server of its own. "
            "Use an image that has them, or name a server by --server-uri-file.",
        )
    _sweep(Path(scratch or tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=scratch) as name, _claimed(Path(name)):
        root, identity = Path(name), _identity()
        password = secrets.token_urlsafe(24)
        file = root / "password"
        file.write_text(password, encoding="ascii")
        if identity:
            shutil.chown(root, identity["user"])
            shutil.chown(file, identity["user"])
        data = root / "data"
        _run_initdb(initdb, data, file, identity)
        login = {"user": USER, "password": password, "dbname": "postgres", "sslmode": "disable"}
        with _serving(postgres, data, root / "log", identity, login) as database:
            yield database


@contextmanager
def _claimed(root: Path) -> Iterator[None]:
    """Hold the folder's lock for the block, so that no other drill takes it for a leftover."""
    with (root / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sweep(parent: Path) -> None:
    """Delete what drills that were killed left: a folder that nobody holds, and its server."""
    for root in parent.glob(f"{PREFIX}*"):
        with suppress(OSError), (root / LOCK).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _end_server(root / "data")
            shutil.rmtree(root)


def _end_server(data: Path) -> None:
    """End the server of a data folder, if it still runs."""
    with suppress(OSError, ValueError):
        pid = int((data / "postmaster.pid").read_text().partition("\n")[0])
        if str(data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGQUIT)


def _run_initdb(initdb: Path, data: Path, password: Path, identity: dict[str, Any]) -> None:
    command: list[str | Path] = [
        *(initdb, "-D", data, "-U", USER, "-E", "UTF8", "--locale=C", "-A", "scram-sha-256"),
        *(f"--pwfile={password}", "--no-sync", "--no-instructions"),
    ]
    ran = subprocess.run(
        command, check=False, capture_output=True, text=True, errors="replace", **identity
    )
    if ran.returncode != 0:
        raise _failed(ran.stderr or ran.stdout)


@contextmanager
def _serving(
    postgres: Path, data: Path, log: Path, identity: dict[str, Any], login: dict[str, str]
) -> Iterator[Database]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [postgres, "-D", data, "-p", port, *settings],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **identity,
        ) as process,
    ):
        try:
            database = Database({"host": "127.0.0.1", "port": port, **login})
            _wait(process, database, log)
            yield database
        finally:
            process.send_signal(signal.SIGINT)  # it ends its clients, too
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], database: Database, log: Path) -> None:
    """Wait until the server takes connections, which is later than that it listens."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with connected(database):
                return
        except BackupError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise _failed(log.read_text(errors="replace")[-2000:]) from None
            time.sleep(POLL_SECONDS)


def _identity() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    record = pwd.getpwnam("nobody")
    return {"user": record.pw_uid, "group": record.pw_gid, "extra_groups": [], "cwd": "/"}


def _failed(text: str) -> BackupError:
    return BackupError(
        Code.SERVER_FAILED,
        f"The ephemeral server of the drill does not start: {problems.clean(text)}. Give it a "
        "folder with room for the database by --scratch, or another server by --server-uri-file.",
    )
