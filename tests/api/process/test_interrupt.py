"""A signal ends a command where it waits, and what hangs all the same is cut off."""

import json
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from bookstore_api.db.schema.lock import LOCK_ID
from tests.support.bookstore import (
    StartProcess,
    command_line,
    environment,
    execute,
    run_command,
    wait_until,
)
from tests.support.postgres import OwnPostgres, session

WAITING = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory_lock%'"


def test_a_migration_ends_while_its_server_is_frozen(
    private_postgres: OwnPostgres, tmp_path: Path
) -> None:
    url = private_postgres.create_database()
    with session(url) as holder:
        holder.ask(f"SELECT pg_advisory_lock({LOCK_ID})")
        process = subprocess.Popen(
            command_line("migrate", "--to", "expand"),
            env=environment(url, tmp_path),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: execute(url, WAITING), "the command to wait for the lock")
        private_postgres.freeze()
        process.terminate()
        output, errors = process.communicate(timeout=30)
        private_postgres.thaw()
    assert process.returncode == 1
    outcome = json.loads(output.splitlines()[-1])
    assert outcome["message"] == "Interrupted before the end. Run it again."
    assert "Traceback" not in errors
    assert "uncaught" not in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_while_its_own_migration_waits(
    start: StartProcess, tmp_path: Path, number: signal.Signals
) -> None:
    """For the lock of the SQLite file of a laptop."""
    with closing(sqlite3.connect(tmp_path / "bookstore.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        process = start(None)
        file = (tmp_path / "bookstore.db").resolve()
        links = Path(f"/proc/{process.pid}/fd")

        def has_opened() -> bool:
            return any(link.exists() and link.resolve() == file for link in links.iterdir())

        wait_until(has_opened, "the migration to open the file")
        process.signal(number)
        assert process.wait() == 0
    assert not process.raw_lines()


@pytest.mark.parametrize("name", ["x" * 300, "file/log", "folder"])
def test_a_termination_log_that_can_not_be_written_is_told(tmp_path: Path, name: str) -> None:
    """The migration is done, and its outcome is on standard output."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    env = environment(f"sqlite:///{tmp_path}/books.db", tmp_path)
    env["BOOKSTORE_TERMINATION_LOG"] = str(tmp_path / name)
    ended = run_command("migrate", "--to", "expand", env=env, cwd=tmp_path)
    assert (ended.code, ended.outcome["code"]) == (0, "migrated")
    assert "BOOKSTORE_TERMINATION_LOG" in ended.errors
    assert "Traceback" not in ended.errors
