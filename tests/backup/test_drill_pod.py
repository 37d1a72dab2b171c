"""The commands of the operator's drill Pod, as they are, against a real server and a real volume.

What its containers say is read by the operator as its Pod would show it.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bookstore_api.db.schema.tree import Branch
from bookstore_backup.model.manifest import Manifest
from bookstore_backup.postgres.connection import Database
from bookstore_backup.storage.repository import Repository
from bookstore_backup.storage.volume import Volume
from bookstore_backup.work.create import Order, create_backup
from bookstore_backup.work.verify import verify_backup
from bookstore_backup.work.workplace import Workplace
from bookstore_operator.components.backup.drill import KEPT_DATABASE
from tests.backup.test_corruption import parts_of_another, write_manifest
from tests.support.bookstore import apply_schema
from tests.support.drills import add_drill, end_drill
from tests.support.postgres import OwnPostgres, query
from tests.support.world import World

STORE = "shop.demo"
ADDRESS = "postgresql://drill@127.0.0.1:5432/"
PROGRAMS = Path(sys.executable).parent
Drill = Callable[[], tuple[World, dict[str, Any]]]


def execute(
    container: Mapping[str, Any],
    program: str,
    folders: Mapping[str, Path],
    server: OwnPostgres,
    log: Path,
) -> tuple[int, dict[str, Any]]:
    """Run a container's command as a kubelet does; return its exit code and what it says."""
    env = {item["name"]: item["value"] for item in container["env"]}
    env = {name: value.replace(ADDRESS, server.url("")) for name, value in env.items()}
    env |= {
        "BOOKSTORE_TERMINATION_LOG": str(log),
        "PATH": f"{server.binaries}{os.pathsep}{os.environ['PATH']}",  # as in the image
        "TMPDIR": str(log.parent),
    }
    command = [str(PROGRAMS / program), *container["args"]]
    for mounted, folder in folders.items():
        command = [word.replace(mounted, str(folder)) for word in command]
    log.unlink(missing_ok=True)
    ended = subprocess.run(command, env=env, check=False, capture_output=True, timeout=600)
    result: dict[str, Any] = json.loads(log.read_text()) if log.exists() else {}
    assert result, ended.stderr
    return ended.returncode, result


@pytest.fixture
def drill(volume: Path, server: OwnPostgres, tmp_path: Path) -> Drill:
    """Run a drill's Pod, and let the operator read how it has ended."""
    spec = {"schedule": "0 3 * * *", "drill": {"schedule": "0 5 * * *"}}

    def drill() -> tuple[World, dict[str, Any]]:
        world = World(spec={"image": "api:1", "backup": spec}).settle()
        job = add_drill(world)
        pod = world.get("Job", job)["spec"]["template"]["spec"]
        _, restores = pod["initContainers"]
        (check,) = pod["containers"]
        code, said = execute(
            restores, "bookstore-backup", {"/backup": volume}, server, tmp_path / "drill"
        )
        checked = None
        if code == 0:
            _, checked = execute(check, "bookstore-api", {}, server, tmp_path / "check")
        end_drill(world, job, said, checked)
        world.settle()
        last: dict[str, Any] = world.store["status"]["lastDrill"]
        return world, last

    return drill


@pytest.fixture
def shop(empty: str, volume: Path, tools: dict[int, str], tmp_path: Path) -> Callable[..., Any]:
    """Make a shop with books of the API's own seed, and take a backup of it."""

    def shop(books: int) -> tuple[Workplace, Manifest]:
        apply_schema(empty)
        apply_schema(empty, Branch.CONTRACT)
        env = {"BOOKSTORE_DATABASE_URL": empty, "BOOKSTORE_TERMINATION_LOG": str(tmp_path / "seed")}
        command = [str(PROGRAMS / "bookstore-api"), "seed", f"--books={books}"]
        ended = subprocess.run(command, env=env, check=False, capture_output=True, timeout=800)
        assert ended.returncode == 0, ended.stderr[-2000:]
        workplace = Workplace(Repository(Volume(volume), STORE), tools, lock_wait=5)
        return workplace, create_backup(workplace, Order(Database.of(empty), "test"))

    return shop


def change_one_price(workplace: Workplace, backup: Manifest, volume: Path, url: str) -> None:
    """Store a dump in which one price differs, under the digests of the new one."""
    folder = volume / STORE / backup.name
    query(
        url,
        "UPDATE books SET price_minor = price_minor + 1 WHERE id = (SELECT id FROM books LIMIT 1)",
    )
    changed = create_backup(workplace, Order(Database.of(url), "test"))
    parts_of_another(random.Random(0), folder, volume / STORE / changed.name)  # noqa: S311
    shutil.rmtree(volume / STORE / changed.name)
    kept = workplace.repository.manifest(backup.name)
    write_manifest(folder, kept.model_copy(update={"dump": changed.dump, "parts": changed.parts}))
    verify_backup(workplace, backup.name)  # it is what pg_restore accepts


def drill_proves_and_finds(  # noqa: PLR0917
    shop: Callable[..., Any],
    drill: Drill,
    volume: Path,
    empty: str,
    server: OwnPostgres,
    books: int,
) -> None:
    workplace, backup = shop(books)
    _, last = drill()
    assert (last["result"], last["backup"]) == ("Succeeded", backup.name)
    assert "The code that serves works on it." in last["message"]
    assert last["recoveryTimeSeconds"] > 0
    assert 0 <= last["recoveryPointSeconds"] < 900
    print(f"{books} books were restored in {last['recoveryTimeSeconds']} s")
    assert query(server.url(KEPT_DATABASE), "SELECT count(*) FROM books") == [(books,)]

    change_one_price(workplace, backup, volume, empty)
    world, last = drill()
    assert (last["result"], last["backup"]) == ("Damaged", backup.name)
    assert f"public.books has {books} rows as it should" in last["message"]
    assert world.condition("BackupHealthy") == ("False", "DrillFailed")
    assert {event.reason for event in world.events if event.type == "Warning"} == {"DrillFailed"}
    left = "SELECT count(*) FROM pg_database WHERE starts_with(datname, 'bookstore_drill')"
    assert query(server.url("postgres"), left) == [(0,)], "a failed drill keeps nothing"


def test_the_pod_proves_a_backup_and_finds_one_changed_price(
    shop: Callable[..., Any], drill: Drill, volume: Path, empty: str, server: OwnPostgres
) -> None:
    drill_proves_and_finds(shop, drill, volume, empty, server, 500)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_the_pod_finds_one_changed_price_of_100_000(
    shop: Callable[..., Any], drill: Drill, volume: Path, empty: str, server: OwnPostgres
) -> None:
    drill_proves_and_finds(shop, drill, volume, empty, server, 100_000)


def test_a_schema_that_the_code_does_not_work_on_fails_the_drill_and_not_the_backup(
    shop: Callable[..., Any], drill: Drill, empty: str
) -> None:
    workplace, _ = shop(10)
    query(empty, "ALTER TABLE books RENAME COLUMN price_minor TO price")
    backup = create_backup(workplace, Order(Database.of(empty), "test"))
    _, last = drill()
    assert (last["result"], last["backup"]) == ("Failed", backup.name)
    assert "the code that serves does not work on it" in last["message"]
    found = workplace.repository.verification(backup.name)
    assert found is not None
    assert not found.problem


def test_without_a_backup_there_is_nothing_to_drill(drill: Drill) -> None:
    _, last = drill()
    assert last["result"] == "NoBackup"
