"""A backup is taken, listed, verified, restored and drilled, on each kind of target."""

import fcntl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model.manifest import Manifest
from bookstore_backup.postgres.connection import Database
from bookstore_backup.postgres.ephemeral import LOCK, PREFIX
from bookstore_backup.storage.encryption import identities_in
from bookstore_backup.storage.target import Target
from bookstore_backup.storage.volume import Volume
from bookstore_backup.work.create import Order, create_backup
from bookstore_backup.work.drill import drill_backup
from bookstore_backup.work.listing import list_backups
from bookstore_backup.work.restore import restore_backup
from bookstore_backup.work.verify import verify_backup
from bookstore_backup.work.workplace import Workplace
from tests.backup.support import ROWS, bucket
from tests.support.postgres import OwnPostgres, query
from tests.support.versitygw import Versitygw


@pytest.fixture(params=["volume", "s3"])
def target(request: pytest.FixtureRequest, tmp_path: Path, volume: Path) -> Target:
    if request.param == "volume":
        return Volume(volume)
    s3: Versitygw = request.getfixturevalue("s3")
    return bucket(s3, s3.write_keys(tmp_path / "keys"))


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_backup_comes_back_as_it_was(  # noqa: PLR0917
    place: Callable[[Target], Workplace],
    target: Target,
    database: str,
    empty: str,
    server: OwnPostgres,
    tmp_path: Path,
    encrypted: bool,
) -> None:
    """What was backed up is restored: rows, types, sequences, large objects."""
    recipients: tuple[str, ...] = ()
    workplace = place(target)
    if encrypted:
        key = pyrage.x25519.Identity.generate()
        recipients = (str(key.to_public()),)
        (tmp_path / "key").write_text(f"# a comment\n{key}\n")
        workplace = replace(workplace, identities=identities_in(tmp_path / "key"))
    order = Order(Database.of(database), "test", recipients, size=lambda _: 10_000)

    manifest = create_backup(workplace, order)

    assert len(manifest.parts) > 2
    assert manifest.contents.rows == ROWS
    assert manifest.contents.schema_revisions == ("0003_contract", "0007_expand")
    assert manifest.contents.large_objects == 1
    assert manifest.contents.sequences == {"public.books_id_seq": 800, "public.orders": 100}
    assert manifest.server.encoding == "UTF8"
    assert manifest.server.system_identifier
    assert [item.state for item in list_backups(workplace.repository)] == ["Complete"]

    verify_backup(workplace, "latest")
    assert [item.state for item in list_backups(workplace.repository)] == ["Verified"]
    entry = workplace.repository.find(manifest.name)
    restored = restore_backup(workplace, entry, Database.of(empty))
    assert restored.rows == ROWS
    assert restored.warnings == ()
    assert query(empty, "SELECT count(*) FROM titles") == [(800,)]
    assert query(empty, "SELECT n_live_tup > 0 FROM pg_stat_user_tables WHERE relname = 'books'")

    drilled = drill_backup(workplace, "latest", Database.of(server.url("postgres")))
    assert drilled.restored.rows == ROWS
    left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'bookstore_drill%'"
    assert query(server.url("postgres"), left) == [(0,)]


def test_a_drill_starts_a_server_of_its_own(workplace: Workplace, database: str) -> None:
    create_backup(workplace, Order(Database.of(database), "test"))
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to `nobody`
        scratch = Path(name)
        scratch.chmod(0o755)
        left = scratch / f"{PREFIX}killed"
        left.mkdir()
        (left / LOCK).touch()
        in_use = scratch / f"{PREFIX}other"
        in_use.mkdir()
        with (in_use / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            own = replace(workplace, scratch=scratch)
            assert drill_backup(own, "latest", None).restored.rows == ROWS
        assert list(scratch.iterdir()) == [in_use]


def test_a_database_with_content_is_not_restored_into(workplace: Workplace, database: str) -> None:
    manifest = create_backup(workplace, Order(Database.of(database), "test"))
    entry = workplace.repository.find(manifest.name)
    with pytest.raises(BackupError, match="is not empty: it has the") as caught:
        restore_backup(workplace, entry, Database.of(database))
    assert caught.value.code is Code.NOT_EMPTY


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t ()",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE TYPE mood AS ENUM ('good')",
        "CREATE DOMAIN isbn AS text",
        "CREATE SCHEMA other",
        "SELECT lo_create(0)",
        "CREATE EXTENSION pg_trgm",
    ],
)
@pytest.mark.usefixtures("backup")
def test_anything_makes_a_database_not_empty(
    workplace: Workplace, empty: str, statement: str
) -> None:
    query(empty, statement)
    with pytest.raises(BackupError) as caught:
        restore_backup(workplace, workplace.repository.find("latest"), Database.of(empty))
    assert caught.value.code is Code.NOT_EMPTY


def test_an_empty_database_can_be_backed_up(workplace: Workplace, empty: str) -> None:
    manifest = create_backup(workplace, Order(Database.of(empty), "test"))
    assert manifest.contents.tables == {}
    verify_backup(workplace, manifest.name)
    assert drill_backup(workplace, "latest", Database.of(empty)).restored.rows == 0


def test_a_drill_keeps_its_database_for_others_until_the_next(
    workplace: Workplace, backup: Manifest, server: OwnPostgres
) -> None:
    at, kept = Database.of(server.url("postgres")), "bookstore_drill_kept"
    drill_backup(workplace, backup.name, at, kept)
    assert query(server.url(kept), "SELECT count(*) FROM books") == [(800,)]
    drill_backup(workplace, backup.name, at, kept)
    assert query(server.url(kept), "SELECT count(*) FROM books") == [(800,)]
    drill_backup(workplace, backup.name, at)
    left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'bookstore_drill%'"
    assert query(server.url("postgres"), left) == [(0,)]


def test_a_backup_that_retention_deletes_while_it_is_read_is_gone_and_not_damaged(
    workplace: Workplace, backup: Manifest, server: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = workplace.repository.target
    get = target.get

    def get_late(key: str) -> Iterator[bytes]:
        if key.endswith("dump.00002"):  # another process prunes right here
            workplace.repository.delete(backup.name)
        return get(key)

    monkeypatch.setattr(target, "get", get_late)
    with pytest.raises(BackupError, match="was deleted while it was read") as caught:
        drill_backup(workplace, "latest", Database.of(server.url("postgres")))
    assert (caught.value.code, caught.value.backup) == (Code.NOT_FOUND, backup.name)
    assert workplace.repository.entries() == [], "nothing is left beside what is gone"
