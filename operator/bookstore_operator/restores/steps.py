"""Take the next step of a restore: of a BookStoreRestore, or before the first release migrates."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from bookstore_operator.components.backup.images import backup_image, image_missing
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.kinds import JOBS
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.restore import RestorePhase, RestoreRecord
from bookstore_operator.restores import attempts
from bookstore_operator.restores.job import Wish, restore_job
from bookstore_operator.restores.source import Missing, resolve
from bookstore_operator.workloads import pod_problems

_Record = TypeVar("_Record", bound=RestoreRecord)


@dataclass(frozen=True, slots=True)
class Step(Generic[_Record]):
    """The record after a step, what is waited for, and the Job to create once that is written."""

    record: _Record
    answer: Answer
    job: Manifest | None = None


def advance(snapshot: Snapshot, wish: Wish, record: _Record, now: datetime) -> Step[_Record]:
    """Return the next step. The database is ready, and nothing of the restore has failed for good.

    The record of a step must be written before its Job is created, and `attempts.created` after.
    """
    if record.phase in {RestorePhase.COMPLETE, RestorePhase.FAILED}:
        return Step(record, _ended(record))
    record = attempts.observe(snapshot, wish, record, now)
    if record.phase is RestorePhase.COMPLETE:
        return Step(record, Passed())
    last = record.last_attempt
    if last and last.ended_at and record.attempts:
        why = attempts.describe_failure(record, wish)
        if attempts.is_exhausted(record, wish):
            record = attempts.failed(record, why)
            return Step(record, _ended(record))
        due = attempts.retry_at(last)
        if now < due:
            seconds = f"{(due - last.ended_at).total_seconds():.0f}"
            waiting = Waiting(Reason.RESTORING, f"{why} Retrying in {seconds} s.", due)
            return Step(_saying(record, waiting), waiting)
    elif last and last.created and not last.ended_at:
        waiting = _running(snapshot, wish, last.number, now)
        return Step(_saying(record, waiting), waiting)
    return _begin(snapshot, wish, record, now)


def _begin(snapshot: Snapshot, wish: Wish, record: _Record, now: datetime) -> Step[_Record]:
    image, resolved = backup_image(snapshot), resolve(snapshot, wish.source)
    if image is None:
        record = attempts.failed(record, image_missing(snapshot) or "")
        return Step(record, _ended(record))
    if isinstance(resolved, Missing):
        record = attempts.failed(record, resolved.message)
        return Step(record, _ended(record))
    record = attempts.begin(record, wish, now)
    job = restore_job(snapshot.store, wish, _number(record), resolved, image)
    return Step(record, Waiting(Reason.RESTORING, record.message), job)


def _number(record: RestoreRecord) -> int:
    return record.last_attempt.number if record.last_attempt else 1


def _running(snapshot: Snapshot, wish: Wish, number: int, now: datetime) -> Waiting:
    """Return the wait for a running Job, whose own deadline limits it."""
    key = JOBS.ref(wish.job_name(number))
    job = snapshot.objects.get(key) or {"spec": {}}
    if job["spec"].get("suspend"):
        return Waiting(
            Reason.RESTORING,
            f"Restore Job {key.name} is suspended (spec.suspend), and its time limit with it. To "
            f"let it run: kubectl patch job {key.name} --type=merge "
            '-p \'{"spec":{"suspend":false}}\'.',
            stalled=True,
        )
    problem = pod_problems.problem_of_pods(snapshot, wish.labels, key, now)
    message = (
        f"Waiting for restore Job {key.name}. Its time limit is {wish.timeout_seconds} s "
        "(timeoutSeconds)."
    )
    until = pod_problems.end_deadline(snapshot, wish.labels, now)
    return pod_problems.wait_for_pods(Reason.RESTORING, message, problem, until)


def _ended(record: RestoreRecord) -> Answer:
    if record.phase is RestorePhase.COMPLETE:
        return Passed()
    return Failed(Reason.of_record(record.reason), record.message)


def _saying(record: _Record, waiting: Waiting) -> _Record:
    changes = {"reason": waiting.reason.value, "message": waiting.message}
    return record.model_copy(update=changes)
