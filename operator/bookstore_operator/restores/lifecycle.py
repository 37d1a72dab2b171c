"""BookStoreRestores: each is taken from its record to a database beside the one that serves.

Until a release uses it, its BookStoreRestore owns all that is made, so that its deletion leaves
nothing behind. From then on the BookStore owns the server (components/database/ensure.py).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from bookstore_operator.components.database.ensure import ensure_server, stop
from bookstore_operator.components.database.gate import DATABASE, server_ready
from bookstore_operator.components.database.identity import (
    database_volume,
    identity_of,
    is_whole,
)
from bookstore_operator.components.database.manifests import Place
from bookstore_operator.components.database.secrets import direct_uri, keys_of
from bookstore_operator.components.database.servers import Server, serving_database, used_servers
from bookstore_operator.core import names
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.kinds import BOOKSTORES, RESTORES, STATEFUL_SETS
from bookstore_operator.core.lookup import find, owned_by
from bookstore_operator.core.metadata import owned_by_restore
from bookstore_operator.core.plan import Action, Create, Event, EventType, WriteStatus
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secrets import check_secret
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.restore import BookStoreRestore, RestorePhase, RestoreStatus
from bookstore_operator.crd.spec.database import Database, EmbeddedDatabase, embedded_database
from bookstore_operator.restores import attempts
from bookstore_operator.restores.job import Wish
from bookstore_operator.restores.steps import Step, advance


class Restores(NamedTuple):
    """What is done about a BookStore's restores in a visit."""

    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    look_again: datetime | None = None
    """When there may be a next step without an event; None if never."""


def advance_restores(snapshot: Snapshot, now: datetime) -> Restores:
    """Take the next step of each BookStoreRestore of the BookStore that is not being deleted."""
    actions: list[Action] = []
    events: list[Event] = []
    due: list[datetime] = []
    for restore in snapshot.restores:
        if restore.metadata.deletion_timestamp:
            continue
        step, server = _step(snapshot, restore, now)
        actions += [*_writes(restore, step), *server]
        events += _events(snapshot, restore, step)
        if isinstance(step.answer, Waiting) and step.answer.until:
            due.append(step.answer.until)
    return Restores(tuple(actions), tuple(events), min(due, default=None))


def _step(
    snapshot: Snapshot, restore: BookStoreRestore, now: datetime
) -> tuple[Step[RestoreStatus], list[Action]]:
    """Return the next step of a restore, and the changes of its server."""
    place = _place(snapshot, restore)
    if place and _is_the_stores(snapshot, place.server, restore):
        return Step(restore.status, Passed()), []
    server = list(_changes(snapshot, restore, place))
    if restore.status.phase in {RestorePhase.COMPLETE, RestorePhase.FAILED}:
        return Step(restore.status, Passed()), server
    record = _started(restore, place, now)
    ready = _ready(snapshot, restore, place, now)
    if isinstance(ready, Failed):
        return Step(attempts.failed(record, ready.message), ready), []
    if isinstance(ready, Waiting) and record.last_attempt is None:
        return _await(snapshot, record, ready, now), server
    return advance(snapshot, _wish(snapshot, restore), record, now), server


def _place(snapshot: Snapshot, restore: BookStoreRestore) -> Place | None:
    """Return the server of a restore with what it runs with; None for an external database."""
    wanted = restore.spec.into.embedded
    if wanted is None:
        return None
    usual = snapshot.store.spec.database.embedded or EmbeddedDatabase()
    return Place(
        Server(snapshot.store.name, restore.name),
        wanted.storage or usual.storage,
        wanted.resources or usual.resources,
        snapshot.settings.postgres_image,
        restore,
    )


def _is_the_stores(snapshot: Snapshot, server: Server, restore: BookStoreRestore) -> bool:
    """Whether a restored server is the BookStore's by now, or is about to be."""
    observed = find(snapshot, STATEFUL_SETS, server.name)
    whole = restore.status.phase is RestorePhase.COMPLETE
    taken = observed is not None and owned_by(observed, snapshot.store.metadata.uid)
    return whole and (taken or server in used_servers(snapshot))


def _changes(
    snapshot: Snapshot, restore: BookStoreRestore, place: Place | None
) -> Iterator[Action]:
    """Yield the changes of a restore's own server: one that failed is stopped, and kept to look."""
    if place is None:
        return
    observed = find(snapshot, STATEFUL_SETS, place.server.name)
    if restore.status.phase is RestorePhase.COMPLETE:
        # One that was lost is not made again: it would be empty.
        yield from ensure_server(snapshot, place) if is_whole(snapshot, restore) else ()
    elif restore.status.phase is not RestorePhase.FAILED:
        yield from ensure_server(snapshot, place)
    elif observed and owned_by(observed, restore.metadata.uid):
        yield from stop(snapshot, place)


def _started(restore: BookStoreRestore, place: Place | None, now: datetime) -> RestoreStatus:
    """Return the record with when the restore began, and where its database will be."""
    external = restore.spec.into.external
    secret = place.server.name if place else external.secret_name if external else ""
    changes = {
        "phase": restore.status.phase or RestorePhase.PENDING,
        "started_at": restore.status.started_at or now,
        "secret_name": secret,
    }
    return restore.status.model_copy(update=changes)


def _ready(
    snapshot: Snapshot, restore: BookStoreRestore, place: Place | None, now: datetime
) -> Answer:
    """Pass if the database to restore into is up, and none that is used by anybody."""
    if place:
        conflict = _conflict(snapshot, restore, place.server)
        return conflict or server_ready(snapshot, place.server, now)
    database = _database(restore)
    identity = identity_of(snapshot, database)
    if identity and identity == identity_of(snapshot, serving_database(snapshot)):
        text = "It is the database that serves. Restore into an empty database, and name its Secret"
        return Failed(Reason.RESTORE_FAILED, f"{text} in spec.into.external.secretName.")
    (secret, keys), *_ = keys_of(snapshot.store.name, database).items()
    return check_secret(snapshot, secret, [*keys], DATABASE, now, ours=False)


def _conflict(snapshot: Snapshot, restore: BookStoreRestore, server: Server) -> Failed | None:
    """Return why a restore can't have its server: there is a former one's, or its volume."""
    observed = find(snapshot, STATEFUL_SETS, server.name)
    claim = database_volume(snapshot, server)
    if observed and owned_by(observed, restore.metadata.uid):
        return None
    if observed is None and claim is None:
        return None
    what = f"StatefulSet {server.name}" if observed else f"PersistentVolumeClaim {server.claim}"
    return Failed(
        Reason.RESTORE_FAILED,
        f"{what} exists already, of a former BookStoreRestore {restore.name}: its data is not "
        "touched. Create a BookStoreRestore of another name.",
    )


def _await(
    snapshot: Snapshot, record: RestoreStatus, waiting: Waiting, now: datetime
) -> Step[RestoreStatus]:
    """Return the wait for a database, which has a time limit."""
    seconds = snapshot.store.spec.rollout.progress_deadline_seconds
    deadline = (record.started_at or now) + timedelta(seconds=seconds)
    if now >= deadline:
        limit = f"{seconds} s (spec.rollout.progressDeadlineSeconds of the BookStore)"
        failed = attempts.failed(
            record, f"The database was not ready within {limit}: {waiting.message}"
        )
        return Step(failed, Failed(Reason.RESTORE_FAILED, failed.message))
    changes = {"reason": waiting.reason.value, "message": waiting.message}
    until = min(waiting.until or deadline, deadline)
    said = record.model_copy(update=changes)
    return Step(said, Waiting(waiting.reason, waiting.message, until))


def _database(restore: BookStoreRestore) -> Database:
    external = restore.spec.into.external
    return Database(external=external) if external else embedded_database(restore.name)


def _wish(snapshot: Snapshot, restore: BookStoreRestore) -> Wish:
    spec, database = restore.spec, _database(restore)
    secret, key = direct_uri(snapshot.store.name, database)
    return Wish(
        job=names.restore_job(restore.name),
        source=spec.source,
        secret=secret,
        key=key,
        database=identity_of(snapshot, database),
        attempts=spec.attempts,
        timeout_seconds=spec.timeout_seconds,
        resources=spec.resources,
        owner=owned_by_restore(restore),
    )


def _writes(restore: BookStoreRestore, step: Step[RestoreStatus]) -> Iterator[Action]:
    """Yield the write of the record, and then what it says: the Job of an attempt."""
    if step.record != restore.status:
        yield _write(restore, step.record)
    if step.job:
        message = f"Restore attempt {step.record.attempts} of {restore.name}."
        yield Create(step.job, "Restore", message, reads=(RESTORES.ref(restore.name),))
        yield _write(restore, attempts.created(step.record))


def _write(restore: BookStoreRestore, record: RestoreStatus) -> WriteStatus:
    message = f"{restore.name}: {record.phase}. {record.message}"
    reason = record.reason or str(record.phase)
    return WriteStatus(RESTORES.ref(restore.name), record.manifest(), reason, message)


def _events(
    snapshot: Snapshot, restore: BookStoreRestore, step: Step[RestoreStatus]
) -> Iterator[Event]:
    """Yield an event of the BookStore when a restore has ended."""
    phase = step.record.phase
    kinds = {RestorePhase.COMPLETE: EventType.NORMAL, RestorePhase.FAILED: EventType.WARNING}
    if phase == restore.status.phase or phase not in kinds:
        return
    text = f"BookStoreRestore {restore.name}: {step.record.message}"
    yield Event(BOOKSTORES.ref(snapshot.store.name), kinds[phase], f"Restore{phase}", text)
