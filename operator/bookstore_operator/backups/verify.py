"""Verify backups by Jobs, one at a time: the newest that is not verified, and what people ask for.

A verification that can't tell, because the target does not answer or a key is missing, is repeated
for ever, ever less often: it changes nothing, and what it waits for is shown.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from bookstore_operator.backups import results
from bookstore_operator.backups.jobs import verify_job, waits_for_creation
from bookstore_operator.backups.records import TAKEN, update_backup
from bookstore_operator.components.backup import schedule
from bookstore_operator.components.backup.drills import running_drill
from bookstore_operator.core import names
from bookstore_operator.core.kinds import CRON_JOBS, JOBS
from bookstore_operator.core.labels import (
    COMPONENT_LABEL,
    JOB_NAME_LABELS,
    VERIFY_ANNOTATION,
    Component,
)
from bookstore_operator.core.lookup import all_of, find, label
from bookstore_operator.core.plan import Create, Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backup import BackupPhase, BookStoreBackup, VerifyRun
from bookstore_operator.crd.base import EARLIEST
from bookstore_operator.workloads import pod_problems
from bookstore_operator.workloads.jobs import (
    Ending,
    ended_at,
    ending_of,
    result_of,
)

_FIRST_DELAY = timedelta(minutes=5)
_LONGEST_DELAY = timedelta(hours=1)
_MOST_REQUEST = 100
_LOST = "Its Job was deleted, by a policy or a person, before its result was read."


class Verification(NamedTuple):
    """What is done about verifications."""

    records: tuple[BookStoreBackup, ...]
    job: Create | None = None
    look_again: datetime | None = None
    """When the next attempt is due; None if none is."""


def verify_backups(
    snapshot: Snapshot, records: tuple[BookStoreBackup, ...], now: datetime, *, begin: bool
) -> Verification:
    """Return the records with what verifications found, and the Job of the next one, if any may."""
    records = tuple(_follow(snapshot, record, now) for record in records)
    chosen = _next(records)
    if chosen is None or not begin or not _may_begin(snapshot):
        return Verification(records)
    due = _due(chosen)
    if due and now < due:
        return Verification(records, look_again=due)
    begun = _begin(chosen, now)
    job = verify_job(snapshot, begun)
    if job is None:
        return Verification(records)
    begun = _saying(begun, waits_for_creation(snapshot, job).message)
    return Verification(tuple(begun if r.name == begun.name else r for r in records), job)


# Results ----------------------------------------------------------------------------------------


def _follow(snapshot: Snapshot, record: BookStoreBackup, now: datetime) -> BookStoreBackup:
    """Return a record with what the Job of its verification shows."""
    run = record.status.verification
    if run is None or run.ended_at or record.metadata.deletion_timestamp:
        return record
    job = find(snapshot, JOBS, _job_name(record, run))
    if job is None:
        return _without_answer(record, run, _LOST, now) if run.created else record
    ending = ending_of(snapshot, job)
    if ending is Ending.RUNNING:
        message = _running_message(snapshot, job, now)
        running = run.model_copy(update={"created": True, "message": message})
        return update_backup(record, verification=running)
    result, ended = result_of(snapshot, job), ended_at(snapshot, job) or now
    message = results.message(result)
    if ending is Ending.SUCCEEDED:
        return _decided(record, run, BackupPhase.VERIFIED, message, ended)
    if results.code(result) in results.DAMAGED:
        return _decided(record, run, BackupPhase.DAMAGED, message, ended)
    return _without_answer(record, run, message or _no_answer(job), ended)


def _no_answer(job: Manifest) -> str:
    """Return why a Job failed whose Pod said nothing."""
    limit = job["spec"].get("activeDeadlineSeconds")
    return f"Its Pod gave no answer within {limit} s: see kubectl describe job."


def _decided(
    record: BookStoreBackup, run: VerifyRun, phase: BackupPhase, message: str, ended: datetime
) -> BookStoreBackup:
    good = phase is BackupPhase.VERIFIED
    return update_backup(
        record,
        phase=phase,
        reason=(Reason.BACKED_UP if good else Reason.BACKUP_DAMAGED).value,
        message=message,
        verified_at=ended if good else record.status.verified_at,
        handled_verification=run.request or record.status.handled_verification,
        verification=run.model_copy(
            update={"created": True, "ended_at": ended, "message": message}
        ),
    )


def _without_answer(
    record: BookStoreBackup, run: VerifyRun, cause: str, ended: datetime
) -> BookStoreBackup:
    """Return a record whose verification could not tell: it counts as not verified."""
    message = f"It could not be verified: {cause}"
    return update_backup(
        record,
        phase=BackupPhase.COMPLETE,
        reason=Reason.VERIFY_FAILED.value,
        message=message,
        handled_verification=run.request or record.status.handled_verification,
        verification=run.model_copy(update={"ended_at": ended, "message": message}),
    )


def _running_message(snapshot: Snapshot, job: Manifest, now: datetime) -> str:
    name = job["metadata"]["name"]
    pods = {JOB_NAME_LABELS[0]: name}
    problem = pod_problems.problem_of_pods(snapshot, pods, JOBS.ref(name), now)
    return pod_problems.append_problem(f"Job {name} is reading it.", problem)


# The next one -----------------------------------------------------------------------------------


def requested(record: BookStoreBackup) -> str:
    """Return the request for a verification that was not carried out yet; empty if there is none.

    Any value counts, and each new one is another request.
    """
    value = record.metadata.annotations.get(VERIFY_ANNOTATION, "")[:_MOST_REQUEST]
    return "" if value == record.status.handled_verification else value


def _next(records: tuple[BookStoreBackup, ...]) -> BookStoreBackup | None:
    """Return what is verified next: what was begun, a request, the newest that is not verified."""
    taken = [r for r in records if _can_be_verified(r)]
    taken.sort(key=lambda r: (r.status.started_at or EARLIEST, r.name), reverse=True)
    if begun := next((r for r in taken if _is_begun(r)), None):
        return None if begun.status.verification and begun.status.verification.created else begun
    if asked := next((r for r in taken if requested(r)), None):
        return asked
    for record in taken:
        if record.status.phase is BackupPhase.COMPLETE:
            return record
        if record.status.phase is BackupPhase.VERIFIED:
            return None
    return None


def _can_be_verified(record: BookStoreBackup) -> bool:
    """Whether a backup is in the target under a name; a record without a uid is a new one."""
    exists = record.metadata.uid and not record.metadata.deletion_timestamp
    return bool(exists and record.status.backup and record.status.phase in TAKEN)


def _is_begun(record: BookStoreBackup) -> bool:
    run = record.status.verification
    return run is not None and run.ended_at is None


def _may_begin(snapshot: Snapshot) -> bool:
    """Whether nothing else uses the target: a volume may be on one node only."""
    store = snapshot.store
    held = store.spec.paused and not store.metadata.deletion_timestamp
    if held or store.spec.backup is None or schedule.running(snapshot) or running_drill(snapshot):
        return False
    if find(snapshot, CRON_JOBS, names.backup(store.name)) is None:
        return False
    jobs = (j for j in all_of(snapshot, JOBS) if label(j, COMPONENT_LABEL) == Component.VERIFY)
    return not any(ending_of(snapshot, job) is Ending.RUNNING for job in jobs)


def _due(record: BookStoreBackup) -> datetime | None:
    """Return when the next attempt is due; None if at once."""
    run = record.status.verification
    if run is None or run.ended_at is None or requested(record):
        return None
    doubled: int = 2 ** min(run.attempt - 1, 10)
    return run.ended_at + min(_FIRST_DELAY * doubled, _LONGEST_DELAY)


def _begin(record: BookStoreBackup, now: datetime) -> BookStoreBackup:
    """Return a record with the next attempt, or the one that was recorded without a Job."""
    run = record.status.verification
    if run is not None and run.ended_at is None:
        return record
    attempt = run.attempt + 1 if run else 1
    begun = VerifyRun(attempt=attempt, started_at=now, request=requested(record))
    return update_backup(record, verification=begun)


def _saying(record: BookStoreBackup, message: str) -> BookStoreBackup:
    run = record.status.verification
    said = run.model_copy(update={"message": message}) if run else None
    return update_backup(record, verification=said)


def _job_name(record: BookStoreBackup, run: VerifyRun) -> str:
    return names.verify_job(record.name, record.metadata.uid, run.attempt)
