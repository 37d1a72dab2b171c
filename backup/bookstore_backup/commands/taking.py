"""`create`, `check-target`, `prune`: what writes to the target."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model.manifest import Manifest
from bookstore_backup.model.retention import Policy
from bookstore_backup.model.termination import listed
from bookstore_backup.options import LockWait, Result, UriFile, database_of
from bookstore_backup.output import size_text
from bookstore_backup.storage.encryption import recipients_in
from bookstore_backup.storage.probe import probe
from bookstore_backup.storage.repository import Repository
from bookstore_backup.work.create import Order, create_backup
from bookstore_backup.work.listing import Listed, list_backups, prune_backups
from bookstore_backup.work.workplace import LOCK_WAIT_SECONDS, Workplace, adjusted

Keep = Annotated[int, typer.Option(min=0, help="Number of backups that this rule keeps.")]
KeepAfter = Annotated[
    int | None,
    typer.Option(min=0, help="Then delete what no rule keeps; this one keeps so many backups."),
]


def create(  # noqa: PLR0913, PLR0917 - options, given by name
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
    keep_last: KeepAfter = None,
    keep_daily: KeepAfter = None,
    keep_weekly: KeepAfter = None,
    keep_monthly: KeepAfter = None,
    minimum: Annotated[
        int, typer.Option(min=1, help="Number of backups that are never deleted.")
    ] = 1,
    lock_wait: LockWait = LOCK_WAIT_SECONDS,
) -> Result:
    """Take a backup of a database, and read it back; then delete what no rule keeps, if any."""
    rules = (keep_last, keep_daily, keep_weekly, keep_monthly)
    last, daily, weekly, monthly = (rule or 0 for rule in rules)
    policy = None if rules == (None,) * 4 else Policy(last, daily, weekly, monthly, minimum)
    order = Order(database_of(uri_file), reason, recipients_in(recipients_file))
    manifest = create_backup(adjusted(workplace, lock_wait), order)
    message = (
        f"Backed up {manifest.contents.rows} rows of {len(manifest.contents.tables)} tables as "
        f"{manifest.name} in {manifest.seconds.total:.1f} s: {size_text(manifest.size)}, read back."
    )
    after, warnings = _after(workplace, policy)
    data = {"backup": summary_of(manifest), **after}
    return Result(message, data, (*warnings, *manifest.warnings))


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
    pruned = prune_backups(workplace.repository, policy, dry_run=dry_run)
    deleted = pruned.deleted
    what = "Would delete" if dry_run else "Deleted"
    message = f"{what} {len(deleted)} backups" + (f": {', '.join(deleted)}." if deleted else ".")
    return Result(message, {"deleted": deleted, "dryRun": dry_run, "backups": _brief(pruned.left)})


def _after(workplace: Workplace, policy: Policy | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Apply retention after a backup; return what was deleted and what is there, and warnings.

    A failure is only a warning: the backup is there, and taking it again would help nobody.
    """
    repository: Repository = workplace.repository
    try:
        if policy is None:
            return {"backups": _brief(list_backups(repository))}, ()
        workplace.report.step("deleting what no rule keeps")
        pruned = prune_backups(repository, policy, dry_run=False)
    except BackupError as error:
        text = f"The backup is complete, but older ones could not be listed or deleted: {error}"
        return {"retentionCode": str(error.code)}, (text,)
    return {"deleted": pruned.deleted, "backups": _brief(pruned.left)}, ()


def _brief(backups: list[Listed]) -> list[dict[str, object]]:
    """Return what there is in short, the newest first, without interrupted backups."""
    return [
        listed({"name": item.entry.name, "state": item.state, "size": item.entry.size})
        for item in backups
        if item.entry.complete or item.entry.legacy
    ]


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
