"""Keep a BookStoreBackup for each backup Job, and follow what the target holds.

What is in the target counts. The records are an index of it: one that is lost costs nothing, and
one that is wrong is corrected by the next list that a Job reports.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial

from bookstore_operator.backups import results
from bookstore_operator.backups.records import ENDED, TAKEN, is_found, is_requested, update_backup
from bookstore_operator.backups.results import Listing
from bookstore_operator.components.backup.drills import Drill, ended_drills
from bookstore_operator.components.backup.runs import began_at, why_failed
from bookstore_operator.components.backup.schedule import backup_jobs, database_of_job
from bookstore_operator.core import names
from bookstore_operator.core.kinds import BACKUPS, CRON_JOBS, JOBS
from bookstore_operator.core.labels import JOB_NAME_LABELS, RELEASE_LABEL
from bookstore_operator.core.lookup import find, label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backup import (
    BackupPhase,
    BackupReason,
    BackupSpec,
    BookStoreBackup,
)
from bookstore_operator.crd.base import EARLIEST, Metadata
from bookstore_operator.crd.status import DrillResult
from bookstore_operator.workloads import pod_problems
from bookstore_operator.workloads.jobs import (
    Ending,
    ended_at,
    ending_of,
    result_of,
)

MOST_FAILED = 20
"""How many records of backups that failed are kept."""
_UNKNOWN_DATABASE = "unknown"
"""Of what was found: it proves nothing about the database that serves."""
MOST_TAKEN = 1000
"""How many records of others are kept, whatever a target holds."""


def recorded(snapshot: Snapshot, now: datetime) -> tuple[BookStoreBackup, ...]:
    """Return the records as they are to be: of each Job, as far as the target has its backup."""
    followed = [_follow(snapshot, record, now) for record in snapshot.backups]
    names_of = {record.name for record in followed}
    new = (record for record in of_jobs(snapshot, now) if record.name not in names_of)
    listed = newest_listing(snapshot)
    kept = (_as_listed(record, listed) for record in (*followed, *new))
    present = _with_found(snapshot, [record for record in kept if record is not None], listed)
    return tuple(_retained(map(partial(_as_drilled, ended_drills(snapshot)), present)))


def job_of(snapshot: Snapshot, record: BookStoreBackup) -> Manifest | None:
    """Return the Job that takes the backup of a record; None if there is none."""
    if not is_requested(record):
        job = find(snapshot, JOBS, record.spec.job)
        mine = job and names.backup_record(record.spec.job, _uid(job)) == record.name
        return job if mine else None
    return find(snapshot, JOBS, names.backup_job(record.name, record.metadata.uid))


def of_jobs(snapshot: Snapshot, now: datetime) -> Iterator[BookStoreBackup]:
    """Yield a record for each backup Job that no record asked for."""
    for job in backup_jobs(snapshot):
        if _has_owner(job, BACKUPS.kind):
            continue
        name = job["metadata"]["name"]
        metadata = Metadata(
            name=names.backup_record(name, _uid(job)), namespace=snapshot.store.metadata.namespace
        )
        spec = BackupSpec(store_name=snapshot.store.name, reason=_reason(job), job=name)
        yield _follow(snapshot, BookStoreBackup(metadata=metadata, spec=spec), now)


def newest_listing(snapshot: Snapshot) -> Listing | None:
    """Return the newest list of what the target holds, of the backup that ended last."""
    ended = [
        (ended_at(snapshot, job) or EARLIEST, job["metadata"]["name"], listed)
        for job in backup_jobs(snapshot)
        if ending_of(snapshot, job) is Ending.SUCCEEDED
        and (listed := results.listing(result_of(snapshot, job)))
    ]
    return max(ended, key=lambda item: item[:2])[2] if ended else None


def _follow(snapshot: Snapshot, record: BookStoreBackup, now: datetime) -> BookStoreBackup:
    """Return a record with what its Job shows; unchanged once it has ended."""
    if record.status.phase in ENDED or record.metadata.deletion_timestamp or is_found(record):
        return record
    job = job_of(snapshot, record)
    if job is None:
        return _lost(record)
    match ending_of(snapshot, job):
        case Ending.RUNNING:
            return _running(snapshot, record, job, now)
        case Ending.SUCCEEDED:
            return _complete(snapshot, record, job, now)
        case Ending.FAILED:
            ended = ended_at(snapshot, job) or now
            return update_backup(
                _began(record, job),
                phase=BackupPhase.FAILED,
                reason=Reason.BACKUP_FAILED.value,
                message=why_failed(snapshot, job),
                completed_at=ended,
            )


def _lost(record: BookStoreBackup) -> BookStoreBackup:
    """Return a record whose Job is gone: failed, unless it never had one."""
    if is_requested(record) and record.status.phase is not BackupPhase.RUNNING:
        return record
    return update_backup(
        record,
        phase=BackupPhase.FAILED,
        reason=Reason.BACKUP_FAILED.value,
        message="Its Job was deleted, by a policy or a person, before its result was read. If it "
        "was stored, the target has it: see bookstore-backup list.",
    )


def _running(
    snapshot: Snapshot, record: BookStoreBackup, job: Manifest, now: datetime
) -> BookStoreBackup:
    name = job["metadata"]["name"]
    started = (job.get("status") or {}).get("startTime") or (job.get("status") or {}).get("active")
    problem = pod_problems.problem_of_pods(
        snapshot, {JOB_NAME_LABELS[0]: name}, JOBS.ref(name), now
    )
    reason = pod_problems.reason_or(Reason.BACKING_UP, problem)
    message = pod_problems.append_problem(f"Job {name} is taking the backup.", problem)
    phase = BackupPhase.RUNNING if started else BackupPhase.PENDING
    return update_backup(_began(record, job), phase=phase, reason=reason.value, message=message)


def _began(record: BookStoreBackup, job: Manifest) -> BookStoreBackup:
    return update_backup(
        record,
        job=job["metadata"]["name"],
        database=database_of_job(job)[:63],
        started_at=began_at(job),
    )


def _complete(
    snapshot: Snapshot, record: BookStoreBackup, job: Manifest, now: datetime
) -> BookStoreBackup:
    result = result_of(snapshot, job)
    found = results.stored(result)
    record = update_backup(
        _began(record, job),
        phase=BackupPhase.COMPLETE,
        reason=Reason.BACKED_UP.value,
        message=results.message(result),
        completed_at=ended_at(snapshot, job) or now,
    )
    if found is None:  # a dump of an older operator, or a message that was cut
        return record
    return update_backup(
        record,
        backup=found.name,
        started_at=found.began_at or record.status.started_at,
        completed_at=found.completed_at or record.status.completed_at,
        size_bytes=found.size,
        rows=found.rows,
        encrypted=found.encrypted,
        schema_revisions=list(found.schema_revisions),
    )


# What the target holds --------------------------------------------------------------------------


def _as_listed(record: BookStoreBackup, listed: Listing | None) -> BookStoreBackup | None:
    """Return a record with the state that the target has; None if its backup was pruned."""
    name, phase = record.status.backup, record.status.phase
    if listed is None or not name or phase not in TAKEN:
        return record
    state = listed.states.get(name)
    if state is None:
        return None if _must_be_in(name, listed) else record
    if state == BackupPhase.DAMAGED and phase is not BackupPhase.DAMAGED:
        return update_backup(
            record,
            phase=BackupPhase.DAMAGED,
            reason=Reason.BACKUP_DAMAGED.value,
            message="The target says that a verification or a drill found it damaged.",
        )
    if state == BackupPhase.VERIFIED and phase is BackupPhase.COMPLETE:
        return update_backup(record, phase=BackupPhase.VERIFIED)
    return record


def _as_drilled(drills: Sequence[Drill], record: BookStoreBackup) -> BookStoreBackup:
    """Return a record with what drills found since the last that it knows of, oldest first."""
    for drill in drills:
        known, phase = record.status.drilled_at, record.status.phase
        about = drill.backup and drill.backup == record.status.backup and phase in TAKEN
        if not about or (known and drill.ended_at <= known):
            continue
        if drill.restored:
            record = _proven_by(record, drill)
        elif drill.result is DrillResult.DAMAGED:
            record = update_backup(
                record,
                phase=BackupPhase.DAMAGED,
                reason=Reason.BACKUP_DAMAGED.value,
                message=drill.message,
                drilled_at=drill.ended_at,
            )
    return record


def _proven_by(record: BookStoreBackup, drill: Drill) -> BookStoreBackup:
    verified_at = max(drill.ended_at, record.status.verified_at or drill.ended_at)
    return update_backup(
        record,
        phase=BackupPhase.VERIFIED,
        reason=Reason.BACKED_UP.value,
        message=drill.message,
        verified_at=verified_at,
        drilled_at=drill.ended_at,
    )


def _with_found(
    snapshot: Snapshot, records: list[BookStoreBackup], listed: Listing | None
) -> list[BookStoreBackup]:
    """Return the records with one for each backup in the target that has none, and no second one.

    One whose status was not written yet, because the operator was killed, is filled in by the list,
    or made again by the next.
    """
    others = [r for r in records if not is_found(r)]
    known = {r.status.backup for r in others}
    found = {r.name: r for r in _found(snapshot, listed) if r.status.backup not in known}
    for record in records:
        written = is_found(record) and record.status.phase is not None
        if written and record.status.backup not in known:
            found[record.name] = record
    return [*others, *found.values()]


def _found(snapshot: Snapshot, listed: Listing | None) -> Iterator[BookStoreBackup]:
    """Yield a record for each backup of a list. Of which database it is, nobody says."""
    namespace = snapshot.store.metadata.namespace
    for backup, state in (listed.states if listed else {}).items():
        began = results.began_at(backup)
        if listed is None or began is None or state not in set(TAKEN):
            continue
        metadata = Metadata(
            name=names.found_backup(snapshot.store.name, backup), namespace=namespace
        )
        spec = BackupSpec(store_name=snapshot.store.name, reason=BackupReason.FOUND)
        record = BookStoreBackup(metadata=metadata, spec=spec)
        yield update_backup(
            record,
            phase=BackupPhase(state),
            reason=(
                Reason.BACKED_UP if state != BackupPhase.DAMAGED else Reason.BACKUP_DAMAGED
            ).value,
            message="It was found in the target; no Job of it is known.",
            backup=backup,
            database=_UNKNOWN_DATABASE,
            started_at=began,
            completed_at=began,
            size_bytes=listed.sizes.get(backup),
        )


def _must_be_in(name: str, listed: Listing) -> bool:
    """Whether a list has a backup if the target has it: names begin with a time."""
    if name > max(listed.states, default=""):
        return False  # it was taken after the list
    return listed.whole or name > min(listed.states)


def _retained(records: Iterable[BookStoreBackup]) -> Iterator[BookStoreBackup]:
    """Yield the records but for the oldest of too many."""
    ordered = sorted(records, key=lambda r: (r.status.started_at or r.metadata.created_at, r.name))
    failed = [r.name for r in ordered if r.status.phase is BackupPhase.FAILED]
    taken = [r.name for r in ordered if r.status.phase in TAKEN]
    surplus = {*failed[:-MOST_FAILED], *taken[:-MOST_TAKEN]}
    return (record for record in ordered if record.name not in surplus)


def _reason(job: Manifest) -> BackupReason:
    if label(job, RELEASE_LABEL):
        return BackupReason.BEFORE_MIGRATION
    return BackupReason.SCHEDULED if _has_owner(job, CRON_JOBS.kind) else BackupReason.MANUAL


def _has_owner(job: Manifest, kind: str) -> bool:
    return any(owner["kind"] == kind for owner in job["metadata"].get("ownerReferences") or ())


def _uid(job: Manifest) -> str:
    return str(job["metadata"].get("uid", ""))
