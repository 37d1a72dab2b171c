"""Restore a backup into the empty database of a new BookStore, before it is first migrated.

Its record is carried from release to release until one serves: a restore that runs goes on when the
spec is changed, and one that is done is not made again.
"""

from datetime import datetime

from bookstore_operator.components.database.identity import database_identity
from bookstore_operator.components.database.secrets import direct_uri
from bookstore_operator.components.database.servers import current_server, database_of
from bookstore_operator.core import names
from bookstore_operator.core.gate import Passed, Waiting
from bookstore_operator.core.kinds import JOBS, RELEASES
from bookstore_operator.core.lookup import find
from bookstore_operator.core.metadata import owned_by_store
from bookstore_operator.core.plan import Action, Create, WriteStatus
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.restore import RestorePhase, RestoreRecord
from bookstore_operator.crd.spec.bootstrap import BootstrapRestore
from bookstore_operator.releases.progress import Progress
from bookstore_operator.restores import attempts
from bookstore_operator.restores.job import Wish
from bookstore_operator.restores.steps import advance
from bookstore_operator.workloads.jobs import Ending, ending_of


def bootstrap(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Restore what `spec.bootstrap` names, unless that is done. The database is up."""
    if any(one.status.promoted_at for one in snapshot.releases):
        return Progress(snapshot, Passed())
    record = _record(snapshot, release)
    wanted = snapshot.store.spec.bootstrap
    if wanted is None:
        return Progress(snapshot, _running(snapshot, record) or Passed())
    if _is_restored_server(snapshot):
        return Progress(snapshot, Passed())
    before = record or RestoreRecord()
    step = advance(snapshot, _wish(snapshot, release, wanted.restore), before, visit.now)
    snapshot = _put(snapshot, release, step.record, visit.now)
    actions: tuple[Action, ...] = ()
    if step.job:
        made = _put(snapshot, release, attempts.created(step.record), visit.now)
        status = find_release(made, release.name).status.manifest()
        message = f"Restore a backup before {release.name} migrates the database."
        written = WriteStatus(RELEASES.ref(release.name), status, "Restore", f"{message} Created.")
        actions = (Create(step.job, "Restore", message), written)
    return Progress(snapshot, step.answer, actions)


def _record(snapshot: Snapshot, release: BookStoreRelease) -> RestoreRecord | None:
    """Return the record of the restore: the release's own, else that of the one before it."""
    if own := release.status.bootstrap:
        return _of_current(snapshot, release, own)
    earlier = [one.status.bootstrap for one in snapshot.releases if one.status.bootstrap]
    if not earlier:
        return None
    last = earlier[-1]
    again = attempts.retried(last) if last.phase is RestorePhase.FAILED else last
    return _of_current(snapshot, release, again)


def _of_current(
    snapshot: Snapshot, release: BookStoreRelease, record: RestoreRecord
) -> RestoreRecord:
    """Return the record, begun again if its database was lost before it has ever served."""
    lost = record.database not in {"", database_identity(snapshot, release)}
    ended = record.last_attempt is None or record.last_attempt.ended_at is not None
    return attempts.retried(record) if lost and ended else record


def _put(
    snapshot: Snapshot, release: BookStoreRelease, record: RestoreRecord, now: datetime
) -> Snapshot:
    """Return the Snapshot with the record. The stage's deadline is for what follows a restore."""
    known = find_release(snapshot, release.name)
    done = record.phase is RestorePhase.COMPLETE and known.status.bootstrap != record
    begun = now if done else known.status.stage_started_at
    return update_status(snapshot, known, bootstrap=record, stage_started_at=begun)


def _is_restored_server(snapshot: Snapshot) -> bool:
    server = current_server(snapshot)
    return server is not None and bool(server.restore)


def _running(snapshot: Snapshot, record: RestoreRecord | None) -> Waiting | None:
    """Return the wait for a restore that was begun before spec.bootstrap was removed."""
    last = record.last_attempt if record else None
    if last is None or last.ended_at:
        return None
    name = names.numbered(names.bootstrap_job(snapshot.store.name), last.number)
    job = find(snapshot, JOBS, name)
    if job is None or ending_of(snapshot, job) is not Ending.RUNNING:
        return None
    message = f"Waiting for restore Job {name}, though spec.bootstrap was removed meanwhile."
    return Waiting(Reason.RESTORING, message)


def _wish(snapshot: Snapshot, release: BookStoreRelease, wanted: BootstrapRestore) -> Wish:
    store = snapshot.store
    secret, key = direct_uri(store.name, database_of(release))
    return Wish(
        job=names.bootstrap_job(store.name),
        source=wanted,
        secret=secret,
        key=key,
        database=database_identity(snapshot, release),
        attempts=wanted.attempts,
        timeout_seconds=wanted.timeout_seconds,
        resources=wanted.resources,
        owner=owned_by_store(store),
    )
