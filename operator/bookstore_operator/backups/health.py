"""Whether the backups are proven: by the age of the last one that was verified."""

from datetime import datetime, timedelta

from bookstore_operator.backups.drill_health import describe_drill, drill_problem
from bookstore_operator.backups.records import newest_first
from bookstore_operator.components.backup.manifests import STARTING_DEADLINE
from bookstore_operator.components.backup.schedule import SLACK
from bookstore_operator.components.database.identity import identity_of
from bookstore_operator.components.database.servers import serving_database
from bookstore_operator.core import names
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.kinds import CRON_JOBS
from bookstore_operator.core.lookup import find
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backup import BackupPhase, BookStoreBackup
from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.spec.backup import Backup
from bookstore_operator.crd.status import BACKUP_HEALTHY, ConditionStatus

_SILENT = frozenset({Reason.NOT_CONFIGURED, Reason.SUSPENDED})
_MINUTE = "%Y-%m-%d %H:%M UTC"


def proven(snapshot: Snapshot, finding: Finding, now: datetime) -> Finding:
    """Return the BackupHealthy condition.

    Args:
        snapshot: what is observed, with the records as they are to be.
        finding: whether backups are taken on schedule, which is not enough.
        now: the current time.

    """
    backup = snapshot.store.spec.backup
    if backup is None or finding.reason in _SILENT:
        return finding
    current = of_current_database(snapshot)
    if current and current[0].status.phase is BackupPhase.DAMAGED:
        return fails(BACKUP_HEALTHY, Reason.BACKUP_DAMAGED, _damaged(snapshot, current[0]))
    if finding.status is ConditionStatus.FALSE:
        return finding
    verified = next((r for r in current if r.status.phase is BackupPhase.VERIFIED), None)
    last = f" The last one, {current[0].name}: {current[0].status.message}" if current else ""
    due = stale_at(snapshot)
    if due and now >= due:
        return fails(BACKUP_HEALTHY, Reason.BACKUP_STALE, _stale(backup, verified, last))
    return drill_problem(snapshot, now) or _healthy(snapshot, backup, verified, last)


def _healthy(
    snapshot: Snapshot, backup: Backup, verified: BookStoreBackup | None, last: str
) -> Finding:
    """Return the condition where nothing is wrong: there is a verified backup, or none yet."""
    if verified is None:
        message = f"Waiting for a backup that is verified ({backup.schedule}).{last}"
        return unknown(BACKUP_HEALTHY, Reason.NO_BACKUP_YET, message)
    began = verified.status.started_at
    message = f"{verified.name}, which began at {began:{_MINUTE}}, is verified."
    return holds(BACKUP_HEALTHY, Reason.BACKED_UP, message + describe_drill(snapshot))


def stale_at(snapshot: Snapshot) -> datetime | None:
    """Return when the last verified backup is too old, or the first one too late; None if never.

    The next one may start late, and takes its time to be taken and to be verified.
    """
    backup = snapshot.store.spec.backup
    cron_job = find(snapshot, CRON_JOBS, names.backup(snapshot.store.name))
    if backup is None or backup.suspend or cron_job is None:
        return None
    verified = (r for r in of_current_database(snapshot) if r.status.phase is BackupPhase.VERIFIED)
    newest = next(verified, None)
    created = parse_time(cron_job["metadata"]["creationTimestamp"])
    since = newest.status.started_at if newest and newest.status.started_at else created
    return since + timedelta(seconds=backup.max_age_seconds) + _grace(backup)


def of_current_database(snapshot: Snapshot) -> list[BookStoreBackup]:
    """Return the backups of the current database, the newest first."""
    identity = identity_of(snapshot, serving_database(snapshot))
    return [
        record
        for record in newest_first(snapshot)
        if not identity or record.status.database in {"", identity[:63]}
    ]


def _grace(backup: Backup) -> timedelta:
    return timedelta(seconds=STARTING_DEADLINE + 2 * backup.timeout_seconds) + SLACK


def _stale(backup: Backup, verified: BookStoreBackup | None, last: str) -> str:
    age = f"{backup.max_age_seconds} s (spec.backup.maxAgeSeconds)"
    if verified is None:
        return f"No backup of this database was verified within {age}.{last}"
    began = verified.status.started_at
    return (
        f"The last verified backup, {verified.name}, began at {began:{_MINUTE}}: that is more than "
        f"{age} ago.{last}"
    )


def _damaged(snapshot: Snapshot, record: BookStoreBackup) -> str:
    return (
        f"BookStoreBackup {record.name} is damaged: {record.status.message} Take another one: "
        f"kubectl bookstore backup {snapshot.store.name}. Then find out what changed the volume or "
        "the bucket."
    )
