"""The attempts of a restore, by its record: what is written before a Job is created, and after.

Jobs can be deleted by anybody. So the record has what decisions need. A restore is one transaction
into an empty database: what has failed may be repeated, and what has succeeded can't be, because
the tool refuses a database with content.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from bookstore_operator.core.kinds import JOBS
from bookstore_operator.core.lookup import find, owned_by
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.restore import RestoreAttempt, RestorePhase, RestoreRecord
from bookstore_operator.crd.text import MESSAGE_LENGTH, fit
from bookstore_operator.restores.codes import FINAL, explain
from bookstore_operator.restores.job import Wish
from bookstore_operator.workloads.jobs import (
    Ending,
    end_condition,
    ended_at,
    ending_of,
    result_of,
)

FIRST_BACKOFF = timedelta(seconds=10)
LONGEST_BACKOFF = timedelta(minutes=5)
DELETED = "Its Job was deleted before its result was read."
_Record = TypeVar("_Record", bound=RestoreRecord)
_TIME = re.compile(r"\d{8}T\d{6}Z")


def job_of(snapshot: Snapshot, wish: Wish, number: int) -> Manifest | None:
    """Return the Job of an attempt; None if there is none of the wish's own."""
    job = find(snapshot, JOBS, wish.job_name(number))
    return job if job and owned_by(job, str(wish.owner["uid"])) else None


def observe(snapshot: Snapshot, wish: Wish, record: _Record, now: datetime) -> _Record:
    """Return the record with what the Job of the last attempt shows."""
    last = record.last_attempt
    if last is None or last.ended_at:
        return record
    job = job_of(snapshot, wish, last.number)
    if job is None:
        ended = {"ended_at": now, "message": DELETED}
        return _with_attempt(record, last, **ended) if last.created else record
    ending = ending_of(snapshot, job)
    if ending is Ending.RUNNING:
        return _with_attempt(record, last, created=True)
    result = result_of(snapshot, job)
    outcome = {
        "created": True,
        "ended_at": ended_at(snapshot, job) or now,
        "succeeded": ending is Ending.SUCCEEDED,
        "code": str(result.get("code") or "")[:63],
        "message": fit(_message(job, result), MESSAGE_LENGTH),
    }
    ended_record = _with_attempt(record, last, **outcome)
    return _complete(ended_record, result, now) if outcome["succeeded"] else ended_record


def _with_attempt(record: _Record, last: RestoreAttempt, **changes: Any) -> _Record:
    return record.model_copy(update={"last_attempt": last.model_copy(update=changes)})


def _message(job: Manifest, result: dict[str, Any]) -> str:
    if message := result.get("message"):
        return str(message)
    if (end_condition(job) or {}).get("reason") == "DeadlineExceeded":
        seconds = job["spec"].get("activeDeadlineSeconds")
        return f"It did not end within {seconds} s (timeoutSeconds)"
    return ""


def _complete(record: _Record, result: dict[str, Any], now: datetime) -> _Record:
    """Return the record of a restore that has succeeded."""
    backup = str(result.get("name") or "")[:253]
    took = result.get("seconds")
    parts = [took.get(key) for key in ("restore", "analyze")] if isinstance(took, dict) else []
    seconds = [part for part in parts if isinstance(part, int | float)]
    revisions = result.get("schemaRevisions")
    message = str(result.get("message") or "The backup is restored.")
    changes = {
        "phase": RestorePhase.COMPLETE,
        "reason": "Complete",
        "message": fit(message, MESSAGE_LENGTH),
        "backup": backup,
        "data_until": began_at(backup),
        "schema_revisions": [str(one)[:253] for one in revisions or ()][:20],
        "completed_at": now,
        "recovery_time_seconds": round(sum(seconds), 3) if seconds else None,
    }
    return record.model_copy(update=changes)


def began_at(backup: str) -> datetime | None:
    """Return when a backup began, which is part of its name; None if it has no such name."""
    match = _TIME.search(backup)
    try:
        return datetime.strptime(match[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if match else None
    except ValueError:
        return None


def begin(record: _Record, wish: Wish, now: datetime) -> _Record:
    """Return the record with the next attempt, before it has a Job.

    One whose Job was not created is made again under its number: the operator was ended, or its
    write rejected, between the two.
    """
    last = record.last_attempt
    if last and not last.created and last.ended_at is None:
        return record
    number = (last.number if last else 0) + 1
    changes = {
        "phase": RestorePhase.RUNNING,
        "reason": Reason.RESTORING.value,
        "message": f"Restoring by Job {wish.job_name(number)}.",
        "attempts": record.attempts + 1,
        "last_attempt": RestoreAttempt(number=number, started_at=now),
        "database": wish.database,
        "started_at": record.started_at or now,
    }
    return record.model_copy(update=changes)


def created(record: _Record) -> _Record:
    """Return the record once the Job of the last attempt is created."""
    return (
        _with_attempt(record, record.last_attempt, created=True) if record.last_attempt else record
    )


def failed(record: _Record, message: str, reason: Reason = Reason.RESTORE_FAILED) -> _Record:
    """Return the record of a restore that has failed for good."""
    text = fit(message, MESSAGE_LENGTH)
    changes = {"phase": RestorePhase.FAILED, "reason": reason.value, "message": text}
    return record.model_copy(update=changes)


def is_exhausted(record: RestoreRecord, wish: Wish) -> bool:
    """Whether no attempt is left after the last one, which has failed."""
    last = record.last_attempt
    return last is not None and (last.code in FINAL or record.attempts >= wish.attempts)


def retried(record: _Record) -> _Record:
    """Return the record of a restore that has failed and is asked for again by a person."""
    return record.model_copy(update={"phase": RestorePhase.PENDING, "attempts": 0})


def describe_failure(record: RestoreRecord, wish: Wish) -> str:
    """Return why the last attempt has failed, and what to do."""
    last = record.last_attempt
    if last is None:
        return ""
    name = wish.job_name(last.number)
    return f"Restore Job {name} failed: {explain(last.code, last.message)}"


def retry_at(last: RestoreAttempt) -> datetime:
    """Return when to make the next attempt: after 10 s, doubled with each one, up to 5 min."""
    doubled: timedelta = FIRST_BACKOFF * 2 ** min(last.number - 1, 10)
    return (last.ended_at or last.started_at) + min(doubled, LONGEST_BACKOFF)
