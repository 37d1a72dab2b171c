"""Take a backup: dump, checksums of the same moment, read back, manifest last."""

import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from bookstore_backup import __version__
from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model import names, problems
from bookstore_backup.model import tools as choice
from bookstore_backup.model.comparison import sharp_falls
from bookstore_backup.model.manifest import Contents, Dump, Manifest, Part, Seconds, Server, utc_now
from bookstore_backup.model.parts import part_size
from bookstore_backup.postgres import programs
from bookstore_backup.postgres.connection import (
    Connection,
    Database,
    fetch_value,
    reported,
)
from bookstore_backup.postgres.contents import (
    lock_tables,
    read_contents,
    read_sequences,
    read_server,
    tables_of,
)
from bookstore_backup.postgres.lock import locked
from bookstore_backup.storage.encryption import store_stream
from bookstore_backup.storage.probe import probe
from bookstore_backup.storage.stream import HashingReader, PartsWriter
from bookstore_backup.work.workplace import PartSize, Workplace

MOST_WARNINGS = 20


@dataclass(frozen=True)
class Order:
    """What to back up, and how."""

    database: Database
    reason: str
    recipients: tuple[str, ...] = ()
    size: PartSize = part_size


@dataclass(frozen=True)
class Taken:
    """What the database gave: all of one snapshot, but for sequences, which have none."""

    server: Server
    contents: Contents
    dump: Dump
    parts: tuple[Part, ...]
    client_version: str
    dump_seconds: float
    checksum_seconds: float


def create_backup(workplace: Workplace, order: Order) -> Manifest:
    """Take a backup and return its manifest; raises BackupError, and then there is none.

    A backup that fails deletes what it has stored; one that is killed leaves objects without a
    manifest, which the next one deletes.
    """
    report, repository = workplace.report, workplace.repository
    report.step("waiting for the lock")
    with locked(order.database, workplace.lock_wait) as connection:
        report.step("checking the target")
        probe(repository.target, repository.store)
        repository.delete_partials()
        started, began = utc_now(), time.monotonic()
        name = names.new_name(started, secrets.token_hex(3))
        try:
            taken = _take(workplace, order, connection, name)
            unread = _manifest(workplace, order, taken, name, started)
            manifest = _read_back(workplace, unread, began)
            with reported(f"Holding the lock of {order.database.where}"):
                fetch_value(connection, "SELECT 1")
            report.step("writing the manifest")
            repository.put_manifest(manifest)
        except BaseException:
            _clean_up(workplace, name)
            raise
    return manifest


def _take(workplace: Workplace, order: Order, connection: Connection, name: str) -> Taken:
    """Dump the database and read its contents, in one snapshot that nothing can replace."""
    database = order.database
    with reported(f"Reading {database.where}"):
        server = read_server(connection)
        folder = workplace.tools[choice.to_dump(server.major, workplace.tools)]
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        snapshot = str(fetch_value(connection, "SELECT pg_export_snapshot()"))
        tables = tables_of(connection)
        lock_tables(connection, tables)
        sequences = read_sequences(connection)
    workplace.report.step("dumping")
    began = time.monotonic()
    with programs.dumping(folder, database, snapshot) as output:
        source, parts = _store(workplace, order, output, name)
    if source.size == 0:  # after pg_dump's own word, which is better
        raise problems.of_dump(f"Dumping {database.where}", "pg_dump wrote nothing")
    dumped = time.monotonic()
    workplace.report.step("computing checksums")
    with reported(f"Computing the checksums of {database.where}"):
        contents = read_contents(connection, tables, sequences)
        connection.execute("COMMIT")
    return Taken(
        server=server,
        contents=contents,
        dump=Dump(size=source.size, sha256=source.sha256),
        parts=parts,
        client_version=programs.program_version(folder, "pg_dump"),
        dump_seconds=dumped - began,
        checksum_seconds=time.monotonic() - dumped,
    )


def _store(
    workplace: Workplace, order: Order, output: IO[bytes], name: str
) -> tuple[HashingReader, tuple[Part, ...]]:
    """Stream pg_dump's output into parts; return what was read and the parts."""
    repository = workplace.repository

    def key(number: int) -> str:
        return names.key(repository.store, name, names.part_file(number))

    with PartsWriter(repository.target, key, order.size) as writer:
        source = HashingReader(output, workplace.report.advance)
        store_stream(source, writer, order.recipients)
        return source, writer.finish()


def _manifest(
    workplace: Workplace, order: Order, taken: Taken, name: str, started: datetime
) -> Manifest:
    return Manifest(
        name=name,
        store=workplace.repository.store,
        reason=order.reason,
        started=started,
        completed=started,
        tool_version=__version__,
        client_version=taken.client_version,
        server=taken.server,
        contents=taken.contents,
        dump=taken.dump,
        parts=taken.parts,
        recipients=order.recipients,
        seconds=Seconds(
            dump=round(taken.dump_seconds, 3),
            checksums=round(taken.checksum_seconds, 3),
            read_back=0,
            total=0,
        ),
        warnings=_warnings(workplace, taken),
    )


def _read_back(workplace: Workplace, manifest: Manifest, began: float) -> Manifest:
    """Read all parts back from the target; return the manifest with its times."""
    workplace.report.step("reading back")
    begin = time.monotonic()
    try:
        for size in workplace.repository.check_parts(manifest):
            workplace.report.advance(size)
    except BackupError as error:
        if error.code is not Code.DAMAGED:
            raise
        raise BackupError(
            Code.READ_BACK_FAILED,
            f"{workplace.repository.target.where} did not give back what was stored ({error}). "
            "The backup was deleted again; check the target, then take another one.",
        ) from error
    now = time.monotonic()
    seconds = manifest.seconds.model_copy(
        update={"read_back": round(now - begin, 3), "total": round(now - began, 3)}
    )
    return manifest.model_copy(update={"completed": utc_now(), "seconds": seconds})


def _warnings(workplace: Workplace, taken: Taken) -> tuple[str, ...]:
    """Compare with the backup before: a sharp fall is worth a look."""
    try:
        before = workplace.repository.manifest(workplace.repository.find("latest").name)
    except BackupError:
        return ()
    return tuple(sharp_falls(before.contents, taken.contents)[:MOST_WARNINGS])


def _clean_up(workplace: Workplace, name: str) -> None:
    """Delete what was stored; where that fails too, the next run does it."""
    try:
        workplace.repository.delete(name)
    except BackupError:
        return
