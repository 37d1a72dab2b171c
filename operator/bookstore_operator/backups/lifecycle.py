"""The BookStoreBackups of a BookStore, from top to bottom: record, list, take, verify."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from bookstore_operator.backups.index import recorded
from bookstore_operator.backups.records import apply_record, has_its_owner, write_record
from bookstore_operator.backups.requests import serve_requests
from bookstore_operator.backups.verify import verify_backups
from bookstore_operator.core.kinds import BACKUPS
from bookstore_operator.core.plan import Action, Delete, Event, EventType, WriteStatus
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.backup import BackupPhase


class Backups(NamedTuple):
    """What is done about the BookStoreBackups of a BookStore."""

    snapshot: Snapshot
    """With the records as they are to be."""
    records: tuple[Action, ...] = ()
    """The writes of records. They precede the Jobs."""
    jobs: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    look_again: datetime | None = None
    """When there may be something to do without an event; None if never."""


def advance_backups(snapshot: Snapshot, visit: Visit) -> Backups:
    """Return the records, Jobs and events of a BookStore's backups."""
    records = recorded(snapshot, visit.now)
    records, job = serve_requests(snapshot, records, visit.now)
    verified = verify_backups(snapshot, records, visit.now, begin=job is None)
    jobs = tuple(found for found in (job, verified.job) if found)
    after = replace(snapshot, backups=verified.records)
    return Backups(
        after,
        tuple(_writes(snapshot, after)),
        jobs,
        tuple(_events(snapshot, after)),
        verified.look_again,
    )


def without_new_records(before: Snapshot, backups: Backups) -> Backups:
    """Return what is done while the BookStore is paused: the status of records is kept up."""
    existing = {record.name for record in before.backups}
    writes = (action for action in backups.records if isinstance(action, WriteStatus))
    events = (event for event in backups.events if event.regarding.name in existing)
    return backups._replace(
        records=tuple(write for write in writes if write.key.name in existing),
        jobs=(),
        events=tuple(events),
    )


def _writes(before: Snapshot, after: Snapshot) -> Iterator[Action]:
    """Yield the creations, writes and deletions that make the records so."""
    known = {record.name: record.status for record in before.backups}
    for record in after.backups:
        if record.name not in known or not has_its_owner(after, record):
            yield apply_record(after, record)
        if record.status != known.get(record.name):
            yield write_record(record)
    kept = {record.name for record in after.backups}
    for record in before.backups:
        if record.name not in kept and not record.metadata.deletion_timestamp:
            message = f"BookStoreBackup {record.name}: the target has no backup of it any more."
            if record.status.phase is BackupPhase.FAILED:
                message = f"BookStoreBackup {record.name}: there are many newer ones that failed."
            key = BACKUPS.ref(record.name)
            yield Delete(key, record.metadata.uid, "Delete", message, reads=(key,))


def _events(before: Snapshot, after: Snapshot) -> Iterator[Event]:
    """Yield an event about each record whose backup has ended, was verified, or is damaged."""
    known = {record.name: record.status.phase for record in before.backups}
    for record in after.backups:
        phase = record.status.phase
        if phase in _EVENTS and phase is not known.get(record.name):
            kind = EventType.WARNING if phase in _BAD else EventType.NORMAL
            yield Event(BACKUPS.ref(record.name), kind, _EVENTS[phase], record.status.message)


_BAD = frozenset({BackupPhase.FAILED, BackupPhase.DAMAGED})
_EVENTS = {
    BackupPhase.COMPLETE: "BackupComplete",
    BackupPhase.VERIFIED: "BackupVerified",
    BackupPhase.DAMAGED: Reason.BACKUP_DAMAGED.value,
    BackupPhase.FAILED: Reason.BACKUP_FAILED.value,
}
