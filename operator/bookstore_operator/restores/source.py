"""Which backup is restored, from where, and with which keys."""

from dataclasses import dataclass

from bookstore_operator.components.backup import tool
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backup import BackupPhase, BookStoreBackup
from bookstore_operator.crd.base import Part
from bookstore_operator.crd.spec.backup_target import RestoreSource

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a source can't be read, and what to do."""

    message: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the tool needs to read a backup."""

    backup: str
    """The name of the backup in its target, or `latest`."""
    options: tuple[str, ...]
    inputs: tuple[tool.Input, ...]


def resolve(snapshot: Snapshot, source: RestoreSource) -> Resolved | Missing:
    """Return what the tool needs to read the backup that a source describes."""
    target = _target(snapshot, source)
    if isinstance(target, Missing):
        return target
    backup = _name_in_target(snapshot, source)
    if isinstance(backup, Missing):
        return backup
    store, settings = snapshot.store, snapshot.store.spec.backup
    namespace, _, name = (source.store or f"{store.metadata.namespace}.{store.name}").partition(".")
    encryption = source.encryption or (settings.encryption if settings else None)
    before = (f"--before={rfc3339(source)}",) if source.before else ()
    inputs = (tool.store_option(namespace, name), target, tool.identities_of(encryption))
    return Resolved(backup, before, inputs)


def rfc3339(source: Part) -> str:
    """Return the time of `before` as the tool reads it."""
    return str(source.manifest()["before"])


def _target(snapshot: Snapshot, source: RestoreSource) -> tool.Input | Missing:
    if source.target and source.target.s3:
        return tool.in_bucket(source.target.s3)
    if source.target and source.target.claim_name:
        return tool.on_claim(source.target.claim_name, read_only=True)
    settings = snapshot.store.spec.backup
    if settings is None:
        return Missing(
            f"BookStore {snapshot.store.name} has no spec.backup, and the source names no target: "
            "set `target` to the bucket or the claim that has the backups."
        )
    return tool.target_of(snapshot.store, settings)


def _name_in_target(snapshot: Snapshot, source: RestoreSource) -> str | Missing:
    """Return the name in the target: of the BookStoreBackup of this name, or the name itself."""
    if source.backup is None:
        return LATEST
    record = next((r for r in snapshot.backups if r.name == source.backup), None)
    if record is None or record.status.backup == source.backup:
        return source.backup
    if not record.status.backup:
        return _unfinished(record)
    return record.status.backup


def _unfinished(record: BookStoreBackup) -> Missing:
    phase = record.status.phase or BackupPhase.PENDING
    return Missing(
        f"BookStoreBackup {record.name} is {phase}, so there is no backup to restore. Wait for its "
        "end, or name another one (kubectl bookstore backups)."
    )
