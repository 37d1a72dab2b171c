"""A PostgreSQL for one drill: in a new folder, on a free port, gone afterwards."""

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
from pathlib import Path
from typing import Any

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model import problems
from bookstore_backup.postgres.connection import Database

START_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05
USER = "drill"
_PREFIX = "bookstore-drill-"
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
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=scratch) as name:
        root, identity = Path(name), _identity()
        password = secrets.token_urlsafe(24)
        file = root / "password"
        file.write_text(password, encoding="ascii")
        if identity:
            shutil.chown(root, identity["user"])
            shutil.chown(file, identity["user"])
        data = root / "data"
        _run_initdb(initdb, data, file, identity)
        with _serving(postgres, data, root / "log", identity) as port:
            parameters = {
                "host": "127.0.0.1",
                "port": str(port),
                "user": USER,
                "dbname": "postgres",
            }
            database = Database({**parameters, "password": password, "sslmode": "disable"})
            yield database


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
def _serving(postgres: Path, data: Path, log: Path, identity: dict[str, Any]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [postgres, "-D", data, "-p", str(port), *settings],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **identity,
        ) as process,
    ):
        try:
            _wait(process, port, log)
            yield port
        finally:
            process.send_signal(signal.SIGINT)  # it ends its clients, too
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                pass
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise _failed(log.read_text(errors="replace")[-2000:]) from None
            time.sleep(POLL_SECONDS)
        else:
            return


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
