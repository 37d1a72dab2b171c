"""Restore a backup into an empty database, and compare what is there with what was taken."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model import tools as choice
from bookstore_backup.model.comparison import differences, locale_differences, summary
from bookstore_backup.model.manifest import Contents, Manifest, Server
from bookstore_backup.model.toc import entries_to_restore
from bookstore_backup.postgres import programs
from bookstore_backup.postgres.connection import Connection, Database, reported
from bookstore_backup.postgres.contents import read_all, read_server
from bookstore_backup.postgres.emptiness import content_of
from bookstore_backup.postgres.lock import locked
from bookstore_backup.storage.encryption import check_key
from bookstore_backup.storage.repository import Entry
from bookstore_backup.work.reading import Source, open_source
from bookstore_backup.work.workplace import Workplace


@dataclass(frozen=True)
class Restored:
    """What was restored, and how long it took."""

    entry: Entry
    manifest: Manifest | None
    rows: int
    restore_seconds: float
    analyze_seconds: float
    compare_seconds: float
    warnings: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Until the database could serve; the comparison is not part of it."""
        return self.restore_seconds + self.analyze_seconds


def restore_backup(workplace: Workplace, entry: Entry, database: Database) -> Restored:
    """Restore a backup; raises BackupError.

    All is checked before the first statement, and all is one transaction: what fails leaves the
    database as empty as it was. What fails after that transaction says that all is restored.
    """
    report = workplace.report
    source = open_source(workplace, entry)
    if source.manifest is not None:
        check_key(entry.name, source.manifest.recipients, workplace.identities)
    report.step("waiting for the lock")
    with locked(database, workplace.lock_wait) as connection:
        with reported(f"Reading {database.where}"):
            server = read_server(connection)
            _check_database(connection, database, server, source.manifest)
        folder = _tools(workplace, server, source.manifest)
        report.step(f"restoring {entry.name}")
        begin = time.monotonic()
        _restore(source, database, folder)
        restored = time.monotonic()
        with _restored_but(database):
            report.step("analyzing")
            with reported(f"Analyzing {database.where}"):
                connection.execute("ANALYZE")
            analyzed = time.monotonic()
            report.step("comparing with the manifest")
            with reported(f"Comparing {database.where} with the manifest"):
                found = read_all(connection)
        _compare(found, database, entry, source.manifest)
    return Restored(
        entry=entry,
        manifest=source.manifest,
        rows=found.rows,
        restore_seconds=restored - begin,
        analyze_seconds=analyzed - restored,
        compare_seconds=time.monotonic() - analyzed,
        warnings=_warnings(source.manifest, server),
    )


def _check_database(
    connection: Connection, database: Database, server: Server, manifest: Manifest | None
) -> None:
    found = content_of(connection)
    if found:
        raise BackupError(
            Code.NOT_EMPTY,
            f"{database.where} is not empty: it has {summary(found)}. Restore into a new database: "
            "CREATE DATABASE … TEMPLATE template0.",
        )
    if manifest is not None and manifest.server.encoding != server.encoding:
        raise BackupError(
            Code.USAGE,
            f"{database.where} has the encoding {server.encoding}, and the backup has "
            f"{manifest.server.encoding}. Create the database with TEMPLATE template0 ENCODING "
            f"'{manifest.server.encoding}'.",
        )


def _tools(workplace: Workplace, server: Server, manifest: Manifest | None) -> str:
    client = int(manifest.client_version.partition(".")[0]) if manifest else server.major
    return workplace.tools[choice.to_restore(server.major, client, workplace.tools)]


def _restore(source: Source, database: Database, folder: str) -> None:
    """Restore in two passes: the list of entries is at the front, and a stream can't go back."""
    entries = entries_to_restore(programs.list_entries(folder, source.feed))
    programs.restore_entries(folder, database, entries, source.feed)


@contextmanager
def _restored_but(database: Database) -> Iterator[None]:
    """Say of errors of the block that the restore before it is committed."""
    try:
        yield
    except BackupError as error:
        raise BackupError(
            error.code,
            f"{error} All is restored into {database.where}, but nothing is proven: drop that "
            "database and restore into a new one.",
        ) from error


def _compare(found: Contents, database: Database, entry: Entry, manifest: Manifest | None) -> None:
    if manifest is not None and (texts := differences(manifest.contents, found)):
        raise BackupError(
            Code.CONTENT_DIFFERS,
            f'What was restored from "{entry.name}" into {database.where} is not what was backed '
            f"up: {summary(texts)}. Do not use it; restore an older one, and take a new one now.",
        )


def _warnings(manifest: Manifest | None, server: Server) -> tuple[str, ...]:
    if manifest is None:
        return ("it has no manifest, so nothing was compared",)
    return tuple(locale_differences(manifest.server, server))
