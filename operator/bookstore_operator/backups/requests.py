"""Create the Job of each BookStoreBackup that asks for a backup, one at a time."""

from datetime import datetime
from typing import NamedTuple

from bookstore_operator.backups.index import job_of
from bookstore_operator.backups.jobs import create_job, waits_for_creation
from bookstore_operator.backups.records import ENDED, is_requested, update_backup
from bookstore_operator.components.backup import schedule
from bookstore_operator.components.database.gate import database_ready
from bookstore_operator.core import names
from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.kinds import CRON_JOBS, JOBS
from bookstore_operator.core.labels import COMPONENT_LABEL, Component
from bookstore_operator.core.lookup import all_of, find, label
from bookstore_operator.core.plan import Create, Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backup import BackupPhase, BackupReason, BookStoreBackup
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.spec.backup import Backup
from bookstore_operator.workloads.jobs import Ending, ending_of


class Requested(NamedTuple):
    """What is done about requests."""

    records: tuple[BookStoreBackup, ...]
    """All records, those that wait with the reason."""
    job: Create | None = None
    """The Job of the oldest request, if nothing keeps it waiting."""


def serve_requests(
    snapshot: Snapshot, records: tuple[BookStoreBackup, ...], now: datetime
) -> Requested:
    """Return the Job of the oldest request that has none, or why it waits."""
    open_ones = [r for r in records if _needs_job(snapshot, r) and _is_wanted(snapshot, r)]
    if not open_ones:
        return Requested(records)
    oldest = min(open_ones, key=lambda r: (r.metadata.created_at, r.name))
    waiting = _obstacle(snapshot, oldest, now)
    job = None
    if waiting is None:
        job = create_job(snapshot, oldest)
        waiting = waits_for_creation(snapshot, job)
    behind = Waiting(Reason.BACKING_UP, f"Waiting for BookStoreBackup {oldest.name}.")
    pending = {
        record.name: _pending(record, waiting if record.name == oldest.name else behind)
        for record in open_ones
    }
    return Requested(tuple(pending.get(record.name, record) for record in records), job)


def _needs_job(snapshot: Snapshot, record: BookStoreBackup) -> bool:
    if not is_requested(record) or record.metadata.deletion_timestamp:
        return False
    return record.status.phase not in ENDED and job_of(snapshot, record) is None


def _is_wanted(snapshot: Snapshot, record: BookStoreBackup) -> bool:
    """Whether a request counts: of a BookStore that is being deleted only the final one does."""
    deleted = snapshot.store.metadata.deletion_timestamp
    return not deleted or record.spec.reason is BackupReason.BEFORE_DELETION


def _pending(record: BookStoreBackup, waiting: Waiting) -> BookStoreBackup:
    return update_backup(
        record, phase=BackupPhase.PENDING, reason=waiting.reason.value, message=waiting.message
    )


def _obstacle(snapshot: Snapshot, record: BookStoreBackup, now: datetime) -> Waiting | None:
    """Return what a request waits for; None if its Job can be created."""
    store, backup = snapshot.store, snapshot.store.spec.backup
    if backup is None:
        return Waiting(
            Reason.NOT_CONFIGURED,
            f"BookStore {store.name} says nothing about backups: set its spec.backup.",
        )
    if record.spec.reason is not BackupReason.BEFORE_DELETION and (held := _held(store, backup)):
        return held
    if find(snapshot, CRON_JOBS, names.backup(store.name)) is None:
        return Waiting(
            Reason.BACKING_UP, f"Waiting for CronJob {names.backup(store.name)} to be created."
        )
    database = database_ready(snapshot, now)
    if isinstance(database, Waiting):
        return database
    if other := _other_job(snapshot):
        return Waiting(Reason.BACKING_UP, f"Waiting for Job {other['metadata']['name']} to end.")
    return None


def _held(store: BookStore, backup: Backup) -> Waiting | None:
    """Return who holds backups back; None if nobody does."""
    if store.spec.paused:
        return Waiting(Reason.PAUSED, f"BookStore {store.name} is paused: spec.paused is true.")
    if backup.suspend:
        return Waiting(
            Reason.BACKUP_SUSPENDED,
            f"Backups of BookStore {store.name} are suspended: spec.backup.suspend is true.",
        )
    return None


def _other_job(snapshot: Snapshot) -> Manifest | None:
    """Return a Job that holds the database's lock, or soon will."""
    if running := schedule.running(snapshot):
        return running
    migrations = (
        job for job in all_of(snapshot, JOBS) if label(job, COMPONENT_LABEL) == Component.MIGRATION
    )
    return next((job for job in migrations if ending_of(snapshot, job) is Ending.RUNNING), None)
