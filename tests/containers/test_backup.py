"""The image of the backup tool: its PostgreSQL reads, restores and proves a backup."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import Images
from tests.support.own_server import ServerMissingError
from tests.support.postgres import OwnPostgres, own_postgres, query

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

STORE = "shop.demo"
TOOL_USER = 999


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    try:
        with own_postgres() as running:
            yield running
    except ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def volume(server: OwnPostgres, tmp_path: Path) -> Path:
    """Return a folder with a backup that was taken outside of the image, as the image's user's."""
    folder = tmp_path / "backup"
    folder.mkdir()
    with server.database() as url:
        query(url, "CREATE TABLE books AS SELECT n AS id FROM generate_series(1, 1000) n")
        command = [sys.executable, "-m", "bookstore_backup", "create", f"--store={STORE}"]
        given = [f"--target=file://{folder}", f"--tools={server.binaries}"]
        env = {**os.environ, "BOOKSTORE_BACKUP_URI": url}
        subprocess.run([*command, *given], env=env, check=True, capture_output=True)
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, TOOL_USER, TOOL_USER)
    return folder


def test_the_image_verifies_and_drills_with_its_own_server(images: Images, volume: Path) -> None:
    given = (f"--store={STORE}", "--target=file:///backup", "--output=json")
    for command in ("verify", "drill"):
        ended = images.docker.run(
            images.backup, command, *given, options=[f"--volume={volume}:/backup"]
        )
        assert ended.code == 0, ended.errors
        result = json.loads(ended.output)
        assert result["code"] == "done"
    assert result["rows"] == 1000
    assert result["recoveryTimeSeconds"] > 0


def test_the_image_knows_the_locale_of_the_official_databases(images: Images) -> None:
    """A database is restored with its own collation, which its server must have."""
    data = ("-D", "/tmp/data", "--no-sync", "--locale=C.UTF-8")
    entry = "--entrypoint=/usr/lib/postgresql/18/bin/initdb"
    ended = images.docker.run(images.backup, *data, options=[entry])
    assert ended.code == 0, ended.errors
