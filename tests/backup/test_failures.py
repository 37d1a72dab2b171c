"""What goes wrong while a backup is taken: a clear failure, and nothing complete that is not."""

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookstore_api.db.schema import lock as migrations
from bookstore_backup.errors import BackupError, Code, ExitCode
from bookstore_backup.model.manifest import Manifest
from bookstore_backup.postgres import lock
from bookstore_backup.postgres.connection import Database
from bookstore_backup.storage.target import Stored, Target
from bookstore_backup.storage.volume import Volume
from bookstore_backup.work.create import Order, create_backup
from bookstore_backup.work.listing import list_backups
from bookstore_backup.work.restore import restore_backup
from bookstore_backup.work.verify import verify_backup
from bookstore_backup.work.workplace import Workplace
from tests.backup.support import ROWS, STORE
from tests.support.examples import scaled
from tests.support.pgbouncer import running_pgbouncer
from tests.support.postgres import OwnPostgres, query, session
from tests.support.proxy import running_proxy

SMALL = 4096


def order(url: str) -> Order:
    """Return an order for a backup in several parts."""
    return Order(Database.of(url), "test", size=lambda _: SMALL)


class Killed(BaseException):
    """Ends a backup as SIGKILL would: nothing of it is done after that."""


class DyingTarget:
    """Does so many operations, then none: also not those that would clean up."""

    def __init__(self, inner: Target, operations: int) -> None:
        self._inner, self._left = inner, operations
        self._lock = threading.Lock()
        self.where = inner.where

    def _count(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left < 0:
                raise Killed

    @property
    def left(self) -> int:
        """How many operations it would still do."""
        return self._left

    def put(self, key: str, data: bytes) -> None:
        self._count()
        self._inner.put(key, data)

    def get(self, key: str) -> Iterator[bytes]:
        self._count()
        return self._inner.get(key)

    def objects(self, prefix: str) -> list[Stored]:
        self._count()
        return self._inner.objects(prefix)

    def dumps_at_root(self) -> list[Stored]:
        return self._inner.dumps_at_root()

    def delete(self, key: str) -> None:
        self._count()
        self._inner.delete(key)


def test_a_backup_killed_after_any_operation_leaves_nothing_that_looks_complete(
    place: Callable[[Target], Workplace], volume: Path, server: OwnPostgres
) -> None:
    with server.database() as url:
        query(url, "CREATE TABLE t AS SELECT md5(n::text) FROM generate_series(1, 400) n")
        point = killed = 0
        while True:
            target = DyingTarget(Volume(volume), point)
            try:
                whole = create_backup(place(target), order(url))
            except Killed:
                killed += 1
            else:
                break
            finally:
                listed = list_backups(place(Volume(volume)).repository)
            for item in listed:
                # Killed while the manifest was read back: it is complete, and so it is.
                if item.state != "Partial":
                    verify_backup(place(Volume(volume)), item.entry.name)
            point += 1
        assert killed > 10
        states = [item.state for item in list_backups(place(Volume(volume)).repository)]
        assert "Partial" not in states
        assert whole.name in {item.entry.name for item in listed}
    assert not list(volume.rglob(".partial-*"))


def command(volume: Path, server: OwnPostgres, *arguments: str) -> list[str]:
    """Return a command line of the tool."""
    return [
        *(sys.executable, "-m", "bookstore_backup", *arguments),
        *("--store", STORE, "--target", f"file://{volume}", "--tools", str(server.binaries)),
    ]


def environment(database: str) -> dict[str, str]:
    """Return the environment of a command."""
    return {**os.environ, "BOOKSTORE_BACKUP_URI": database}


@pytest.mark.parametrize("step", ["checking the target", "dumping", "computing", "reading back"])
def test_a_killed_process_leaves_a_partial_that_the_next_run_deletes(
    database: str, volume: Path, server: OwnPostgres, workplace: Workplace, step: str
) -> None:
    """SIGKILL at a step's begin: the lock is free, the schedule goes on."""
    with subprocess.Popen(
        command(volume, server, "create"),
        env=environment(database),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(step):
                process.kill()
                break
    left = list_backups(workplace.repository)
    if process.returncode == -signal.SIGKILL and not step.startswith("reading"):
        assert [item.state for item in left] in ([], ["Partial"])
    for item in left:  # it may have been faster than the signal
        if item.state != "Partial":
            verify_backup(workplace, item.entry.name)
    create_backup(workplace, order(database))
    states = {item.state for item in list_backups(workplace.repository)}
    assert states <= {"Complete", "Verified"}


def test_sigterm_ends_a_backup_with_its_own_code(
    database: str, volume: Path, server: OwnPostgres, workplace: Workplace
) -> None:
    with (
        session(database) as other,
        subprocess.Popen(
            command(volume, server, "create"),
            env=environment(database),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        ) as process,
    ):
        other.ask("SELECT pg_advisory_lock($1)", lock.LOCK_ID)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("waiting for the lock"):
                process.terminate()
                break
        rest = process.stderr.read()
    assert process.returncode == int(ExitCode.INTERRUPTED), rest
    assert "Interrupted." in rest
    assert list_backups(workplace.repository) == []


def test_a_full_disk_is_named(database: str, volume: Path, server: OwnPostgres) -> None:
    """A limit of the file size fails a write as a full disk does, in its middle."""
    ran = subprocess.run(
        command(volume, server, "create", "-q"),
        env=environment(database),
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert ran.returncode == int(ExitCode.ERROR), ran.stderr
    assert "Enlarge the volume" in ran.stderr
    assert not [file for file in volume.rglob("*") if file.is_file()]


def test_the_lock_is_the_one_of_migrations() -> None:
    """So no backup overlaps an expand or a contract, whoever begins it."""
    assert lock.LOCK_ID == migrations.LOCK_ID


def test_two_backups_never_overlap(database: str, workplace: Workplace) -> None:
    with session(database) as other:
        other.ask("SET application_name = 'expand-0008'")
        other.ask("SELECT pg_advisory_lock($1)", lock.LOCK_ID)
        with pytest.raises(BackupError, match="expand-0008, process ") as caught:
            create_backup(replace(workplace, lock_wait=0.1), order(database))
    assert caught.value.code is Code.DATABASE_LOCKED
    create_backup(workplace, order(database))


def through(url: str, port: int) -> str:
    """Return a database's URI by another port."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))


class Interrupter:
    """Does something when a step begins."""

    def __init__(self, at: str, work: Callable[[], object]) -> None:
        self._at, self._work = at, work

    def step(self, name: str) -> None:
        if name.startswith(self._at):
            self._work()

    def advance(self, size: int) -> None:
        """Ignore it."""


@pytest.mark.parametrize("step", ["checking", "dumping", "computing", "reading", "writing"])
def test_a_lost_connection_fails_the_backup(database: str, workplace: Workplace, step: str) -> None:
    """The session holds the lock and the snapshot: without it nothing is complete."""
    with running_proxy(urlsplit(database).port or 0) as proxy:
        cut = Interrupter(step, proxy.disconnect)
        lost = step in {"checking", "dumping", "computing", "reading"}
        if not lost:  # all has been read from the database, and it was asked once more
            create_backup(replace(workplace, report=cut), order(through(database, proxy.port)))
            return
        with pytest.raises(BackupError) as caught:
            create_backup(replace(workplace, report=cut), order(through(database, proxy.port)))
    assert caught.value.code in {Code.DATABASE_UNREACHABLE, Code.DATABASE_CHANGED}, caught.value
    assert list_backups(workplace.repository) == []


def test_a_table_can_not_be_dropped_meanwhile(database: str, workplace: Workplace) -> None:
    """Whoever migrates without the lock waits until the checksums are read."""
    dropped: list[BaseException] = []

    def drop() -> None:
        with session(database) as other:
            other.ask("SET lock_timeout = '50ms'")
            with pytest.raises(Exception, match="lock timeout") as caught:
                other.ask("DROP TABLE books")
            dropped.append(caught.value)

    watched = replace(workplace, report=Interrupter("computing", drop))
    assert create_backup(watched, order(database)).contents.rows == ROWS
    assert len(dropped) == 1


def test_rows_written_meanwhile_are_in_dump_and_checksums_alike_or_in_neither(
    database: str, workplace: Workplace, empty: str
) -> None:
    """Dump and checksums are of one moment, though rows are written between them."""
    write = "INSERT INTO sales SELECT '2026-06-01', 1 FROM generate_series(1, 10)"
    report = Interrupter("computing", lambda: query(database, write))
    manifest = create_backup(replace(workplace, report=report), order(database))
    assert manifest.contents.rows == ROWS
    restored = restore_backup(
        workplace, workplace.repository.find(manifest.name), Database.of(empty)
    )
    assert restored.rows == ROWS


def test_a_pooler_in_transaction_mode_is_refused(database: str, workplace: Workplace) -> None:
    """Its sessions are shared: a lock and a snapshot would be somebody else's."""
    with running_pgbouncer(database, "transaction") as pooler:
        with pytest.raises(BackupError, match="Give a URI of the server itself") as caught:
            create_backup(workplace, order(pooler.url))
        assert caught.value.code is Code.POOLER
    assert list_backups(workplace.repository) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"password": "wrong"}, Code.DATABASE_AUTHENTICATION_FAILED),
        ({"port": "9"}, Code.DATABASE_UNREACHABLE),
        ({"dbname": "no_such"}, Code.DATABASE_UNREACHABLE),
    ],
)
def test_a_database_that_can_not_be_used_is_named(
    database: str, workplace: Workplace, change: dict[str, str], code: Code
) -> None:
    wrong = Database({**Database.of(database).parameters, **change})
    with pytest.raises(BackupError, match="Connecting to the database") as caught:
        create_backup(workplace, Order(wrong, "test"))
    assert caught.value.code is code
    password = Database.of(database).parameters["password"]
    assert password not in str(caught.value)
    assert password not in repr(wrong)


def test_a_role_that_may_not_read_all_is_told_which_table(
    database: str, workplace: Workplace
) -> None:
    query(database, "CREATE ROLE reader LOGIN PASSWORD 'reader'")
    try:
        reader = {**Database.of(database).parameters, "user": "reader", "password": "reader"}
        with pytest.raises(BackupError, match="permission denied for") as caught:
            create_backup(workplace, Order(Database(reader), "test"))
        assert caught.value.code is Code.DATABASE_PERMISSION_DENIED
    finally:
        query(database, "DROP ROLE reader")


def test_a_volume_that_is_not_mounted_is_named(
    place: Callable[[Target], Workplace], database: str, tmp_path: Path
) -> None:
    with pytest.raises(BackupError, match="Create the bucket or the folder") as caught:
        create_backup(place(Volume(tmp_path / "missing")), order(database))
    assert caught.value.code is Code.TARGET_MISSING


@pytest.mark.parametrize(("step", "left"), [("waiting", False), ("restoring", True)])
def test_a_restore_that_loses_its_connection_says_what_is_in_the_database(
    workplace: Workplace, backup: Manifest, empty: str, step: str, left: bool
) -> None:
    """pg_restore has a connection of its own: it may go on when the lock's is lost."""
    entry = workplace.repository.find(backup.name)
    with running_proxy(urlsplit(empty).port or 0) as proxy:
        end = proxy.disconnect if left else proxy.close
        watched = replace(workplace, report=Interrupter(step, end))
        with pytest.raises(BackupError) as caught:
            restore_backup(watched, entry, Database.of(through(empty, proxy.port)))
        assert ("drop that database" in str(caught.value)) == left
    if not left:
        assert restore_backup(workplace, entry, Database.of(empty)).rows == ROWS


@given(st.lists(st.binary(max_size=9000), max_size=20), st.integers(1, 5000))
@settings(max_examples=scaled(30))
def test_what_is_written_in_pieces_is_read_as_one(pieces: list[bytes], size: int) -> None:
    from tests.backup.memory import round_trip  # noqa: PLC0415

    assert round_trip(pieces, size) == b"".join(pieces)
