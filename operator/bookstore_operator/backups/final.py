"""deletionPolicy FinalBackup: a last backup before a BookStore and its database are deleted.

A finalizer holds the BookStore until the backup is verified. Then the database's volume and
password get an owner, so that Kubernetes deletes them with it. If there is no such backup in time,
the BookStore goes without one, and they stay as with Retain: nothing is lost, and no deletion
hangs.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from bookstore_operator.backups.records import apply_record
from bookstore_operator.components.backup.drills import running_drill
from bookstore_operator.components.backup.ensure import ensure_backups
from bookstore_operator.components.database.ensure import ensure_database
from bookstore_operator.components.database.identity import database_volume
from bookstore_operator.core import names
from bookstore_operator.core.ensure import ensure_absent
from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.kinds import BOOKSTORES, DEPLOYMENTS, JOBS, STATEFUL_SETS
from bookstore_operator.core.labels import COMPONENT_LABEL, Component
from bookstore_operator.core.lookup import all_of, find, label, owned_by
from bookstore_operator.core.plan import Action, Event, EventType, Scale, SetFinalizers
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backup import BackupPhase, BackupReason, BackupSpec, BookStoreBackup
from bookstore_operator.crd.base import FINAL_BACKUP, Metadata
from bookstore_operator.crd.bookstore import DeletionPolicy
from bookstore_operator.workloads.jobs import Ending, ending_of

SPARE = timedelta(minutes=10)
"""Beside the limits of the backup and of its verification: to stop the API, to start Pods."""
_MOST_ATTEMPTS = 10
_ORPHANS = "orphan"
"""The finalizer of `kubectl delete --cascade=orphan`, which leaves all that is owned."""
_BAD = frozenset({BackupPhase.FAILED, BackupPhase.DAMAGED})


class Final(NamedTuple):
    """What is done about a BookStore that is being deleted."""

    actions: tuple[Action, ...] = ()
    waiting: Waiting | None = None
    """What its deletion waits for; None if it is let go."""
    events: tuple[Event, ...] = ()


def ensure_finalizer(snapshot: Snapshot) -> Iterator[SetFinalizers]:
    """Yield the finalizer, or its removal, by the deletion policy."""
    store = snapshot.store
    wanted = store.spec.deletion_policy is DeletionPolicy.FINAL_BACKUP
    if wanted is is_held(snapshot):
        return
    finalizers = store.metadata.finalizers
    if wanted:
        message = "A final backup is to be taken when the BookStore is deleted."
        yield _set(snapshot, (*finalizers, FINAL_BACKUP), message)
    else:
        yield _release(snapshot, "spec.deletionPolicy is no longer FinalBackup.")


def is_held(snapshot: Snapshot) -> bool:
    """Whether the finalizer holds the BookStore."""
    return FINAL_BACKUP in snapshot.store.metadata.finalizers


def finish(snapshot: Snapshot, now: datetime) -> Final:
    """Return the next step of the deletion of a BookStore that the finalizer holds.

    The records of the Snapshot are as they are to be.
    """
    policy = snapshot.store.spec.deletion_policy
    if _ORPHANS in snapshot.store.metadata.finalizers:
        return Final((_release(snapshot, "It is deleted without what it owns."),))
    if policy is not DeletionPolicy.FINAL_BACKUP:
        return _let_data_go(snapshot, policy)
    attempts = _attempts(snapshot)
    if attempts and attempts[-1].status.phase is BackupPhase.VERIFIED:
        return _let_data_go(snapshot, DeletionPolicy.DELETE, attempts[-1])
    if why := _in_vain(snapshot, attempts, now):
        return _give_up(snapshot, why)
    return _take(snapshot, attempts)


# The backup -------------------------------------------------------------------------------------


def _take(snapshot: Snapshot, attempts: list[BookStoreBackup]) -> Final:
    """Return the next step to a verified backup of all that was written."""
    stopping = (*_stop_api(snapshot), *_stop_drill(snapshot))
    if stopping or _is_stopping(snapshot):
        return Final(stopping, _wait(snapshot, "The API is stopped first, so that none writes."))
    if not attempts or attempts[-1].status.phase in _BAD:
        return Final((_ask(snapshot, len(attempts) + 1),), _wait(snapshot, "It is asked for."))
    last = attempts[-1]
    return Final((), _wait(snapshot, f"BookStoreBackup {last.name}: {last.status.message}"))


def _attempts(snapshot: Snapshot) -> list[BookStoreBackup]:
    """Return the final backups of this BookStore, in their order."""
    found = {record.name: record for record in snapshot.backups}
    tried = (found.get(_name(snapshot, number)) for number in range(1, _MOST_ATTEMPTS + 1))
    return [record for record in tried if record is not None]


def _name(snapshot: Snapshot, attempt: int) -> str:
    return names.final_backup(snapshot.store.name, snapshot.store.metadata.uid, attempt)


def _ask(snapshot: Snapshot, attempt: int) -> Action:
    namespace = snapshot.store.metadata.namespace
    metadata = Metadata(name=_name(snapshot, attempt), namespace=namespace)
    spec = BackupSpec(store_name=snapshot.store.name, reason=BackupReason.BEFORE_DELETION)
    return apply_record(snapshot, BookStoreBackup(metadata=metadata, spec=spec))


def _stop_api(snapshot: Snapshot) -> Iterator[Action]:
    """Yield what stops the API's Pods, which are not to write during the final backup."""
    for deployment in all_of(snapshot, DEPLOYMENTS):
        name = deployment["metadata"]["name"]
        is_api = label(deployment, COMPONENT_LABEL) == Component.API
        if is_api and deployment["spec"].get("replicas", 1):
            yield Scale(name, 0, "Stop", f"{name} is stopped before the final backup.")


def _stop_drill(snapshot: Snapshot) -> Iterator[Action]:
    """Yield what ends a drill, whose Pod may hold the volume of the backups on another node."""
    job = running_drill(snapshot)
    yield from ensure_absent(job, "the final backup goes before it.")


def _is_stopping(snapshot: Snapshot) -> bool:
    """Whether Pods of the API still run, which may write."""
    return any(
        (deployment.get("status") or {}).get("replicas")
        for deployment in all_of(snapshot, DEPLOYMENTS)
        if label(deployment, COMPONENT_LABEL) == Component.API
    )


def deadline(snapshot: Snapshot) -> datetime:
    """Return until when a final backup is tried."""
    backup, begun = snapshot.store.spec.backup, snapshot.store.metadata.deletion_timestamp
    seconds = 2 * backup.timeout_seconds if backup else 0
    return (begun or snapshot.store.metadata.created_at) + timedelta(seconds=seconds) + SPARE


def _in_vain(snapshot: Snapshot, attempts: list[BookStoreBackup], now: datetime) -> str | None:
    """Return why there will be no final backup; None if there may be one."""
    store = snapshot.store
    cause = f" {attempts[-1].name}: {attempts[-1].status.message}" if attempts else ""
    if store.spec.backup is None:
        return "spec.backup is not set."
    if store.spec.database.embedded:
        server = find(snapshot, STATEFUL_SETS, names.database(store.name))
        if server is None or server["metadata"].get("deletionTimestamp"):
            return (
                "The database's StatefulSet is deleted already, as by kubectl delete "
                "--cascade=foreground."
            )
    if now >= deadline(snapshot):
        return f"None was verified until {deadline(snapshot):%Y-%m-%d %H:%M:%S} UTC.{cause}"
    failed = [record for record in attempts if record.status.phase in _BAD]
    return f"{_MOST_ATTEMPTS} attempts failed.{cause}" if len(failed) >= _MOST_ATTEMPTS else None


def _wait(snapshot: Snapshot, state: str) -> Waiting:
    store, until = snapshot.store, deadline(snapshot)
    return Waiting(
        Reason.FINAL_BACKUP,
        f"The BookStore is deleted after a final backup (spec.deletionPolicy). {state} Without one "
        f"until {until:%Y-%m-%d %H:%M:%S} UTC, it is deleted all the same, and its database is "
        f"kept. To do that now: kubectl patch bookstore {store.name} --namespace "
        f"{store.metadata.namespace} --type=merge "
        """-p '{"spec":{"deletionPolicy":"Retain"}}'.""",
        until=until,
    )


# Letting go -------------------------------------------------------------------------------------


def _let_data_go(
    snapshot: Snapshot, policy: DeletionPolicy, last: BookStoreBackup | None = None
) -> Final:
    """Return how data is kept or deleted by a policy, and then the end of the finalizer."""
    store = snapshot.store
    spec = store.spec.model_copy(update={"deletion_policy": policy})
    as_asked = replace(snapshot, store=store.model_copy(update={"spec": spec}))
    if not _is_server_gone(snapshot):
        changes = list(ensure_database(as_asked))
        changes += [] if last else ensure_backups(as_asked)
        if changes or (policy is DeletionPolicy.DELETE and not _volume_follows(snapshot)):
            state = "The database's volume gets an owner, with which it is deleted."
            return Final(tuple(changes), _wait(snapshot, state))
    if last is None:
        return Final((_release(snapshot, f"spec.deletionPolicy is {policy} now."),))
    message = f"BookStoreBackup {last.name} is verified: {last.status.backup}."
    event = Event(BOOKSTORES.ref(store.name), EventType.NORMAL, Reason.FINAL_BACKUP, message)
    return Final((_release(snapshot, message),), None, (event,))


def _is_server_gone(snapshot: Snapshot) -> bool:
    server = find(snapshot, STATEFUL_SETS, names.database(snapshot.store.name))
    return server is None or bool(server["metadata"].get("deletionTimestamp"))


def _volume_follows(snapshot: Snapshot) -> bool:
    """Whether the database's volume is deleted with its server: its controller has set that."""
    claim = database_volume(snapshot)
    server = find(snapshot, STATEFUL_SETS, names.database(snapshot.store.name))
    return claim is None or server is None or owned_by(claim, server["metadata"]["uid"])


def _give_up(snapshot: Snapshot, why: str) -> Final:
    """Return the end of the finalizer without a backup: the data is kept, Jobs are ended."""
    store = snapshot.store
    message = (
        f"There is no final backup: {why} The BookStore is deleted, and its database is kept: "
        f"{_kept(snapshot)}"
    )
    jobs = (job for job in all_of(snapshot, JOBS) if ending_of(snapshot, job) is Ending.RUNNING)
    ended = [action for job in jobs for action in ensure_absent(job, "its time is over.")]
    event = Event(
        BOOKSTORES.ref(store.name), EventType.WARNING, Reason.FINAL_BACKUP_FAILED, message
    )
    return Final((*ended, _release(snapshot, message)), None, (event,))


def _kept(snapshot: Snapshot) -> str:
    store = snapshot.store
    if store.spec.database.external:
        return "the external one is never deleted."
    return (
        f"PersistentVolumeClaim {names.database_claim(store.name)} and Secret "
        f"{names.database(store.name)}. A new BookStore of this name uses them."
    )


def _release(snapshot: Snapshot, why: str) -> SetFinalizers:
    left = tuple(name for name in snapshot.store.metadata.finalizers if name != FINAL_BACKUP)
    return _set(snapshot, left, f"BookStore {snapshot.store.name} is let go: {why}")


def _set(snapshot: Snapshot, finalizers: tuple[str, ...], message: str) -> SetFinalizers:
    metadata = snapshot.store.metadata
    return SetFinalizers(
        BOOKSTORES.ref(metadata.name), finalizers, metadata.finalizers, "Finalize", message
    )
