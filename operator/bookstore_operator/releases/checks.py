"""Ask an image something: a Job runs one of its commands, whose outcome goes into the record.

The operator has no driver of a database and pulls no images, so an image answers for itself. A Job
can be deleted by anybody, or by a policy as soon as it has ended: what decisions need is in
`status.checks` of the release. An attempt is recorded before its Job is created.

None of these commands leaves anything behind (`check-schema` rolls back, `smoke` cleans up), so
these Jobs may be deleted at any time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bookstore_operator.components.database.identity import database_identity
from bookstore_operator.components.database.secrets import database_advice
from bookstore_operator.core import contract, names
from bookstore_operator.core.deadline import bounded
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.kinds import JOBS, RELEASES
from bookstore_operator.core.labels import COMPONENT_LABEL, RELEASE_LABEL, Component
from bookstore_operator.core.lookup import find, owned_by
from bookstore_operator.core.plan import Action, Create, Manifest, WriteStatus
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.checks import CheckRecord
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.manifests import TMP, check_job
from bookstore_operator.workloads import pod_problems
from bookstore_operator.workloads.check_outcomes import read_check
from bookstore_operator.workloads.jobs import Ending, ending_of

FIRST_BACKOFF = timedelta(seconds=5)
LONGEST_BACKOFF = timedelta(minutes=5)
DELETED = "Its Job was deleted before its result was read."
_LARGEST_EXIT_CODE = 128
"""Of a program that ended by itself, or could not be started. Larger ones are those of signals."""


@dataclass(frozen=True, slots=True)
class Check:
    """A question to an image, and the command that answers it."""

    name: str
    """In the record, and at the end of the Job's name. One word: names have 63 characters."""
    command: tuple[str, ...]
    question: str
    """What is asked, as part of a sentence: `whether it keeps the contract`."""
    reason: Reason
    """The reason while it is waited for."""
    asked: BookStoreRelease
    """The release whose image is asked, in that release's Pod: its environment, its Secrets."""
    volumes: frozenset[str] = frozenset({TMP})
    """The volumes of that Pod that the command needs; those of `spec.secretMounts` always are."""
    retried: frozenset[str] = frozenset()
    """The codes of outcomes that may be others later."""

    @property
    def image(self) -> str:
        """The image that is asked."""
        return str(self.asked.spec.intent.get("image", ""))

    @property
    def of_database(self) -> bool:
        """Whether the answer is about the database, so that it is void for another one."""
        return contract.DATABASE_FOLDER in self.volumes


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """The result of one visit to a check."""

    snapshot: Snapshot
    """With the check's new record."""
    answer: Answer
    """Passed once there is an outcome, whatever it says: the stage judges it."""
    outcome: CheckRecord | None = None
    """The record of the check with its outcome; None while there is none."""
    actions: tuple[Action, ...] = ()


def run_check(
    snapshot: Snapshot, release: BookStoreRelease, check: Check, visit: Visit
) -> CheckProgress:
    """Take the next step of a check: read its Job, or begin its next attempt if that is due."""
    snapshot = _record_job(snapshot, release, check, visit.now)
    release = find_release(snapshot, release.name)
    answer = check_answer(snapshot, release, check, visit.now)
    if isinstance(answer, Passed):
        return CheckProgress(snapshot, answer, outcome_of(snapshot, release, check))
    if isinstance(answer, Failed) or not _is_due(snapshot, release, check, visit.now):
        return CheckProgress(snapshot, answer)
    return _begin(snapshot, release, check, visit.now)


def outcome_of(snapshot: Snapshot, release: BookStoreRelease, check: Check) -> CheckRecord | None:
    """Return the record of a check that has an outcome about the current database; else None.

    An outcome has a code of the contract, or the exit code of a program that ended without one.
    """
    record = find_record(release, check.name)
    if record is None or record.ended_at is None or _is_void(snapshot, record, check):
        return None
    ended_itself = record.exit_code is not None and record.exit_code <= _LARGEST_EXIT_CODE
    return record if record.code not in check.retried and (record.code or ended_itself) else None


def check_answer(
    snapshot: Snapshot, release: BookStoreRelease, check: Check, now: datetime
) -> Answer:
    """Return what a check waits for; Passed once it has an outcome, Failed after the deadline.

    A first release keeps waiting, as no other release serves, but is reported as stalled.
    """
    if outcome_of(snapshot, release, check):
        return Passed()
    return bounded(snapshot, release, _waiting(snapshot, release, check, now), now)


def find_record(release: BookStoreRelease, name: str) -> CheckRecord | None:
    """Return the record of a check of a release; None if it was never begun."""
    return next((record for record in release.status.checks if record.name == name), None)


def put_record(snapshot: Snapshot, release: BookStoreRelease, record: CheckRecord) -> Snapshot:
    """Return the Snapshot with the record of a check of a release."""
    others = [other for other in release.status.checks if other.name != record.name]
    return update_status(snapshot, release, checks=[*others, record])


def retry_delay(attempt: int) -> timedelta:
    """Return the delay after an attempt without an answer: 5 s, doubled each time, up to 5 min."""
    doubled: timedelta = FIRST_BACKOFF * 2 ** min(attempt - 1, 10)
    return min(doubled, LONGEST_BACKOFF)


# Attempts -------------------------------------------------------------------------------------


def _begin(
    snapshot: Snapshot, release: BookStoreRelease, check: Check, now: datetime
) -> CheckProgress:
    """Begin the next attempt: it is recorded before its Job is created, and when it was.

    One whose Job was not created is made again under its number: the operator was ended, or its
    write rejected, between the two.
    """
    last = find_record(release, check.name)
    uncreated = last and not last.created and last.ended_at is None
    record = CheckRecord(
        name=check.name,
        attempt=last.attempt + (0 if uncreated else 1) if last else 1,
        image=check.image[:512],
        database=database_identity(snapshot, check.asked) if check.of_database else "",
        started_at=last.started_at if last and uncreated else now,
    )
    snapshot = put_record(snapshot, release, record)
    answer = check_answer(snapshot, find_release(snapshot, release.name), check, now)
    if isinstance(answer, Waiting) and release.in_flight:
        # As the report does; both writes must have the same message.
        release = find_release(snapshot, release.name)
        snapshot = update_status(snapshot, release, reason=answer.reason, message=answer.message)
    release = find_release(snapshot, release.name)
    return CheckProgress(snapshot, answer, None, _creation(snapshot, release, check, record))


def _creation(
    snapshot: Snapshot, release: BookStoreRelease, check: Check, record: CheckRecord
) -> tuple[Action, ...]:
    job = check_job(
        snapshot.store,
        release,
        check.name,
        record.attempt,
        asked=check.asked,
        command=check.command,
        volumes=check.volumes,
    )
    created = put_record(snapshot, release, record.model_copy(update={"created": True}))
    status = find_release(created, release.name).status.manifest()
    message = f"Ask {check.image} {check.question}, for {release.name}, attempt {record.attempt}."
    written = WriteStatus(RELEASES.ref(release.name), status, "Check", f"{message} Created.")
    return Create(job, "Check", message), written


def _is_due(snapshot: Snapshot, release: BookStoreRelease, check: Check, now: datetime) -> bool:
    record = find_record(release, check.name)
    if record is None or _is_void(snapshot, record, check):
        return True
    if record.ended_at is None:
        return not record.created
    return now >= record.ended_at + retry_delay(record.attempt)


def _is_void(snapshot: Snapshot, record: CheckRecord, check: Check) -> bool:
    """Whether a record is about another database than the one that is asked about now."""
    current = database_identity(snapshot, check.asked)
    return bool(record.database and current) and record.database != current


def _record_job(
    snapshot: Snapshot, release: BookStoreRelease, check: Check, now: datetime
) -> Snapshot:
    """Return the Snapshot with what the Job of a check shows in the record."""
    record = find_record(release, check.name)
    if record is None or record.ended_at:
        return snapshot
    job = _job_of(snapshot, release, record)
    if job is None:
        if not record.created:
            return snapshot
        changes: dict[str, Any] = {"ended_at": now, "message": DELETED}
    elif ending_of(snapshot, job) is Ending.RUNNING:
        changes = {"created": True}
    else:
        changes = {"created": True, **read_check(snapshot, job, now)}
    # Validated again: an image has written part of it.
    updated = CheckRecord.model_validate({**dict(record), **changes})
    return snapshot if updated == record else put_record(snapshot, release, updated)


def _job_of(snapshot: Snapshot, release: BookStoreRelease, record: CheckRecord) -> Manifest | None:
    """Return the Job of a check's last attempt; None if there is none that the release owns."""
    job = find(snapshot, JOBS, names.check_job(release.name, record.name, record.attempt))
    return job if job and owned_by(job, release.metadata.uid) else None


# Messages -------------------------------------------------------------------------------------


def _waiting(snapshot: Snapshot, release: BookStoreRelease, check: Check, now: datetime) -> Waiting:
    """Return what a check without an outcome waits for, whatever its deadline."""
    record = find_record(release, check.name)
    if record and record.ended_at and not _is_void(snapshot, record, check):
        return _retrying(snapshot, release, check, record)
    attempt = record.attempt if record else 1
    job = JOBS.ref(names.check_job(release.name, check.name, attempt))
    message = f"Waiting for Job {job.name}, which asks image {check.image} {check.question}."
    if ((snapshot.objects.get(job) or {}).get("spec") or {}).get("suspend"):
        message += " It is suspended (spec.suspend) by another program or a person."
    pods = {RELEASE_LABEL: release.name, COMPONENT_LABEL: Component.CHECK.value}
    problem = pod_problems.problem_of_pods(snapshot, pods, job, now)
    until = pod_problems.end_deadline(snapshot, pods, now)
    return pod_problems.wait_for_pods(check.reason, message, problem, until)


def _retrying(
    snapshot: Snapshot, release: BookStoreRelease, check: Check, record: CheckRecord
) -> Waiting:
    advice = database_advice(snapshot, record.code)
    name = names.check_job(release.name, record.name, record.attempt)
    delay = retry_delay(record.attempt)
    cause = record.message.rstrip(".") or "no reason given"
    return Waiting(
        contract.RETRY_REASONS.get(record.code, Reason.CHECK_RETRY),
        f"Job {name}, which asks image {check.image} {check.question}, gave no answer: {cause}. "
        f"{advice}Retrying in {delay.total_seconds():.0f} s.",
        until=(record.ended_at or record.started_at) + delay,
    )
