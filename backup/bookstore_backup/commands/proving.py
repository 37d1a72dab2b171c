"""`list`, `verify`, `restore`, `drill`: what reads backups."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bookstore_backup.commands.taking import summary_of
from bookstore_backup.errors import BackupError, Code
from bookstore_backup.options import (
    SERVER_URI_VARIABLE,
    LockWait,
    Name,
    Result,
    UriFile,
    database_of,
    server_of,
)
from bookstore_backup.output import print_table, size_text
from bookstore_backup.work.drill import PREFIX, drill_backup
from bookstore_backup.work.listing import Listed, list_backups
from bookstore_backup.work.restore import Restored, restore_backup
from bookstore_backup.work.verify import verify_backup
from bookstore_backup.work.workplace import LOCK_WAIT_SECONDS, Workplace, adjusted


def list_(workplace: Workplace) -> Result:
    """List the backups of a store, the newest first."""
    listed = list_backups(workplace.repository)
    rows = [
        (
            item.entry.name,
            item.state,
            size_text(item.entry.size),
            str(item.manifest.contents.rows) if item.manifest else "",
            item.manifest.reason if item.manifest else "",
            (item.verification.at if item.verification else "") + _problem(item),
        )
        for item in listed
    ]
    header = ("NAME", "STATE", "SIZE", "ROWS", "REASON", "VERIFIED")
    return Result(
        f"{len(listed)} backups.",
        {"backups": [_data(item) for item in listed]},
        text=lambda: print_table(header, rows),
    )


def verify(workplace: Workplace, name: Name = "latest") -> Result:
    """Read a whole backup: sizes, digests, decryption, and pg_restore's own reading."""
    verified = verify_backup(workplace, name)
    if verified.manifest is None:
        message = f"{verified.entry.name} can be read to its end; no manifest to compare with."
        return Result(message, {"name": verified.entry.name, "legacy": True})
    message = f"{verified.entry.name} is whole: {size_text(verified.manifest.size)} were read."
    return Result(message, {"backup": summary_of(verified.manifest)})


def restore(
    workplace: Workplace,
    name: Name = "latest",
    uri_file: UriFile = None,
    before: Annotated[
        str | None,
        typer.Option(help="With `latest`: the latest that began before this time (RFC 3339)."),
    ] = None,
    lock_wait: LockWait = LOCK_WAIT_SECONDS,
) -> Result:
    """Restore a backup into an empty database, and compare it with the manifest."""
    database = database_of(uri_file)
    repository = workplace.repository
    if name == "latest":
        entry = repository.newest_good(_time(before) if before else None)
    elif before is None:
        entry = repository.find(name)
    else:
        raise BackupError(Code.USAGE, "--before chooses a backup, so give no name beside it.")
    restored = restore_backup(adjusted(workplace, lock_wait), entry, database)
    message = (
        f"Restored {restored.rows} rows of {restored.entry.name} in {restored.seconds:.1f} s, "
        "the same as were backed up."
    )
    return Result(message, _restored(restored), restored.warnings)


def drill(
    workplace: Workplace,
    name: Name = "latest",
    server_uri_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the URI of a server to create a database on; default: the variable "
            f"{SERVER_URI_VARIABLE}, else a server that is started for it.",
            envvar="BOOKSTORE_BACKUP_SERVER_URI_FILE",
        ),
    ] = None,
    scratch: Annotated[
        Path | None, typer.Option(help="Folder for the server's data; default: the system's.")
    ] = None,
    keep_database: Annotated[
        str | None,
        typer.Option(
            help=f"Keep the restored database on the given server under this name, which begins "
            f"with {PREFIX}, until the next drill on it."
        ),
    ] = None,
) -> Result:
    """Restore a backup into a database made for that, compare, measure, and drop it."""
    server = server_of(server_uri_file)
    if keep_database and not (server and keep_database.startswith(PREFIX)):
        raise BackupError(
            Code.USAGE,
            "--keep-database needs a server to keep it on (--server-uri-file), and a name that "
            f"begins with {PREFIX}, which no other database has.",
        )
    drilled = drill_backup(adjusted(workplace, scratch=scratch), name, server, keep_database)
    restored = drilled.restored
    message = (
        f"{restored.entry.name} was restored in {restored.seconds:.1f} s, and its {restored.rows} "
        f"rows are the same as were backed up {drilled.point_seconds:.0f} s ago."
    )
    measured = {
        "recoveryTimeSeconds": round(restored.seconds, 3),
        "recoveryPointSeconds": round(drilled.point_seconds, 3),
        "at": drilled.at.isoformat(),
    }
    return Result(message, {**_restored(restored), **measured}, restored.warnings)


def _restored(restored: Restored) -> dict[str, Any]:
    return {
        "name": restored.entry.name,
        "rows": restored.rows,
        "seconds": {
            "restore": round(restored.restore_seconds, 3),
            "analyze": round(restored.analyze_seconds, 3),
            "compare": round(restored.compare_seconds, 3),
        },
        "schemaRevisions": list(
            restored.manifest.contents.schema_revisions if restored.manifest else ()
        ),
    }


def _data(item: Listed) -> dict[str, Any]:
    return {
        "name": item.entry.name,
        "state": item.state,
        "started": item.entry.started.isoformat(),
        "size": item.entry.size,
        "problem": item.problem,
        "verifiedAt": item.verification.at if item.verification and not item.problem else None,
        "backup": summary_of(item.manifest) if item.manifest else None,
    }


def _problem(item: Listed) -> str:
    return f" {item.problem}" if item.problem else ""


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise BackupError(
            Code.USAGE, f'"{text}" is no time: write it as 2026-11-27T03:17:00Z.'
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
