"""`create`, `check-target`, `prune`: what writes to the target."""

from pathlib import Path
from typing import Annotated

import typer

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model.manifest import Manifest
from bookstore_backup.model.retention import Policy
from bookstore_backup.options import LockWait, Result, UriFile, database_of
from bookstore_backup.output import size_text
from bookstore_backup.storage.encryption import recipients_in
from bookstore_backup.storage.probe import probe
from bookstore_backup.work.create import Order, create_backup
from bookstore_backup.work.listing import prune_backups
from bookstore_backup.work.workplace import LOCK_WAIT_SECONDS, Workplace, adjusted

Keep = Annotated[int, typer.Option(min=0, help="Number of backups that this rule keeps.")]


def create(
    workplace: Workplace,
    uri_file: UriFile = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever lists the backups.")] = "manual",
    recipients_file: Annotated[
        Path | None,
        typer.Option(
            help="File with public keys of age, one a line: encrypt the backup to them.",
            envvar="BOOKSTORE_BACKUP_RECIPIENTS_FILE",
        ),
    ] = None,
    lock_wait: LockWait = LOCK_WAIT_SECONDS,
) -> Result:
    """Take a backup of a database, and read it back."""
    order = Order(database_of(uri_file), reason, recipients_in(recipients_file))
    manifest = create_backup(adjusted(workplace, lock_wait), order)
    message = (
        f"Backed up {manifest.contents.rows} rows of {len(manifest.contents.tables)} tables as "
        f"{manifest.name} in {manifest.seconds.total:.1f} s: {size_text(manifest.size)}, read back."
    )
    return Result(message, {"backup": summary_of(manifest)}, manifest.warnings)


def check_target(workplace: Workplace) -> Result:
    """Put an object into the target, read it back, and delete it."""
    target = workplace.repository.target
    probe(target, workplace.repository.store)
    return Result(f"{target.where} can hold backups.", {"where": target.where})


def prune(  # noqa: PLR0913, PLR0917 - options, given by name
    workplace: Workplace,
    keep_last: Keep = 7,
    keep_daily: Keep = 0,
    keep_weekly: Keep = 0,
    keep_monthly: Keep = 0,
    minimum: Annotated[
        int, typer.Option(min=1, help="Number of backups that are never deleted.")
    ] = 1,
    dry_run: Annotated[bool, typer.Option(help="Delete nothing.")] = False,
) -> Result:
    """Delete the backups that no rule keeps; only good ones count."""
    try:
        policy = Policy(keep_last, keep_daily, keep_weekly, keep_monthly, minimum)
    except ValueError as error:
        raise BackupError(Code.USAGE, str(error)) from error
    deleted = prune_backups(workplace.repository, policy, dry_run=dry_run)
    what = "Would delete" if dry_run else "Deleted"
    message = f"{what} {len(deleted)} backups" + (f": {', '.join(deleted)}." if deleted else ".")
    return Result(message, {"deleted": deleted, "dryRun": dry_run})


def summary_of(manifest: Manifest) -> dict[str, object]:
    """Return a manifest for programs: without its parts and tables, which may be many."""
    whole = manifest.model_dump(mode="json", by_alias=True, exclude={"parts", "contents"})
    return {
        **whole,
        "size": manifest.size,
        "rows": manifest.contents.rows,
        "tables": len(manifest.contents.tables),
        "schemaRevisions": list(manifest.contents.schema_revisions),
    }
