"""The BookStoreBackups of a Snapshot, changes of their status, and their manifests."""

from dataclasses import replace
from typing import Any

from bookstore_operator.core.kinds import BACKUPS
from bookstore_operator.core.metadata import keeps_data, owned_by_store
from bookstore_operator.core.plan import Apply, Manifest, WriteStatus
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backup import BackupPhase, BackupReason, BookStoreBackup
from bookstore_operator.crd.base import EARLIEST
from bookstore_operator.crd.text import MESSAGE_LENGTH, fit

TAKEN = frozenset({BackupPhase.COMPLETE, BackupPhase.VERIFIED, BackupPhase.DAMAGED})
"""The phases of a backup that is in the target."""
ENDED = TAKEN | {BackupPhase.FAILED}


def update_backup(record: BookStoreBackup, **changes: Any) -> BookStoreBackup:
    """Return a record with changes of its status, named as in BackupStatus."""
    fitted = {
        name: fit(value, MESSAGE_LENGTH) if type(value) is str else value
        for name, value in changes.items()
    }
    status = record.status.model_copy(update=fitted)
    return record if status == record.status else record.model_copy(update={"status": status})


def replace_backup(snapshot: Snapshot, record: BookStoreBackup) -> Snapshot:
    """Return the Snapshot with another state of a record."""
    backups = tuple(record if r.name == record.name else r for r in snapshot.backups)
    return replace(snapshot, backups=backups)


def newest_first(snapshot: Snapshot) -> list[BookStoreBackup]:
    """Return the backups in the target, by when they began, the newest first."""
    taken = (r for r in snapshot.backups if r.status.phase in TAKEN)
    return sorted(taken, key=lambda r: (r.status.started_at or EARLIEST, r.name), reverse=True)


def is_requested(record: BookStoreBackup) -> bool:
    """Whether a record asks for a backup, rather than being the record of one."""
    return not record.spec.job and not is_found(record)


def is_found(record: BookStoreBackup) -> bool:
    """Whether a record is of a backup that was found in the target."""
    return record.spec.reason is BackupReason.FOUND


def apply_record(snapshot: Snapshot, record: BookStoreBackup) -> Apply:
    """Return the write of a record, but for its status. It outlives its BookStore with the data."""
    store = snapshot.store
    owners = {} if keeps_data(store) else {"ownerReferences": [owned_by_store(store)]}
    manifest: Manifest = {
        **BACKUPS.type_meta,
        "metadata": {"name": record.name, "namespace": store.metadata.namespace, **owners},
        "spec": record.spec.manifest(),
    }
    message = f"BookStoreBackup {record.name} records Job {record.spec.job}."
    if is_found(record):
        message = f"BookStoreBackup {record.name} records what was found in the target."
    if is_requested(record):
        message = f"BookStoreBackup {record.name} asks for a backup: {record.spec.reason}."
    return Apply(manifest, "Record", message)


def has_its_owner(snapshot: Snapshot, record: BookStoreBackup) -> bool:
    """Whether a record is deleted with its BookStore if, and only if, the data is.

    Those that people have created are theirs.
    """
    owned = snapshot.store.metadata.uid in {o.uid for o in record.metadata.owner_references}
    return is_requested(record) or owned is not keeps_data(snapshot.store)


def write_record(record: BookStoreBackup) -> WriteStatus:
    """Return the write of a record's status."""
    phase = record.status.phase or "Recorded"
    message = f"BookStoreBackup {record.name}: {phase}. {record.status.message}"
    return WriteStatus(BACKUPS.ref(record.name), record.status.manifest(), phase, message)
