"""The attempts to migrate the schema for a release, by its record.

Jobs can be deleted by anybody, or by a policy as soon as they have ended. So the record has what
decisions need: the number of the last attempt, which is written before its Job is created, its
outcome once it was observed, and how many have failed. Each branch of migrations has its own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bookstore_operator.components.database.identity import database_identity
from bookstore_operator.core.kinds import RELEASES
from bookstore_operator.core.plan import Action, Create, Manifest, ObjectRef, WriteStatus
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.crd.attempts import Branch, ContractRecord, MigrationAttempt
from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.manifests import migration_job
from bookstore_operator.releases.migrations import (
    Migration,
    is_transient,
    migrations_of,
    terminating_pods,
)
from bookstore_operator.workloads.jobs import Ending

FIRST_BACKOFF = timedelta(seconds=10)
LONGEST_BACKOFF = timedelta(minutes=5)
_LONGEST_MESSAGE = 1024
DELETED = "Its Job was deleted before its result was read."


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of one branch."""

    count: int = 0
    """The number of Jobs that were started."""
    failed: int = 0
    """How many failures count."""
    last: MigrationAttempt | None = None


def attempts_of(release: BookStoreRelease, branch: Branch = Branch.EXPAND) -> Attempts:
    """Return the recorded attempts of a branch."""
    status = release.status
    if branch is Branch.EXPAND:
        return Attempts(status.attempts, status.failed_attempts, status.last_attempt)
    record = status.contract or ContractRecord()
    return Attempts(record.attempts, record.failed_attempts, record.last_attempt)


def put_attempts(
    snapshot: Snapshot, release: BookStoreRelease, branch: Branch, attempts: Attempts, **more: Any
) -> Snapshot:
    """Return the Snapshot with the attempts of a branch, and more changes of the status."""
    changes = {
        "attempts": attempts.count,
        "failed_attempts": attempts.failed,
        "last_attempt": attempts.last,
    }
    if branch is Branch.EXPAND:
        return update_status(snapshot, release, **changes, **more)
    record = release.status.contract or ContractRecord()
    return update_status(snapshot, release, contract=record.model_copy(update=changes), **more)


def record_attempts(
    snapshot: Snapshot, release: BookStoreRelease, now: datetime, branch: Branch = Branch.EXPAND
) -> Snapshot:
    """Return the Snapshot with what the Jobs of a release show in its record."""
    known = attempts_of(release, branch)
    last, migrations = known.last, migrations_of(snapshot, release, branch)
    if migrations and (last is None or migrations[-1].attempt >= last.number):
        return _record_job(snapshot, release, branch, migrations, now)
    if last and last.created and last.ended_at is None:
        ended = last.model_copy(update={"ended_at": now, "message": DELETED, "changed": True})
        attempts = Attempts(known.count, known.failed + 1, ended)
        lost = put_attempts(snapshot, release, branch, attempts)
        return _note_change(lost, release, branch, now)
    return snapshot


def begin_attempt(
    snapshot: Snapshot, release: BookStoreRelease, now: datetime, branch: Branch = Branch.EXPAND
) -> Snapshot:
    """Return the Snapshot with the next attempt in a release's record, before it has a Job.

    An attempt whose Job was not created is made again under its number: the operator was ended, or
    its write rejected, between the two.
    """
    known, current = attempts_of(release, branch), database_identity(snapshot, release)
    last = known.last
    same = last is not None and last.database == current
    if last and same and _is_uncreated(last):
        return snapshot
    number = max(known.count, last.number if last else 0)
    if last is None or not _is_uncreated(last):
        number += 1
    changed = last.changed if last and same else False
    attempt = MigrationAttempt(number=number, database=current, started_at=now, changed=changed)
    attempts = Attempts(number, known.failed if same else 0, attempt)
    return put_attempts(snapshot, release, branch, attempts)


def attempt_actions(
    snapshot: Snapshot,
    release: BookStoreRelease,
    branch: Branch = Branch.EXPAND,
    reads: tuple[ObjectRef, ...] = (),
) -> tuple[Action, ...]:
    """Return the creation of the Job of the last attempt, and the record that it was created.

    Args:
        snapshot: has the attempt in the release's record.
        release: the release.
        branch: the branch to migrate. A contract migration can't be undone.
        reads: objects that must be as they were observed.

    """
    known = attempts_of(release, branch)
    number, last = known.count, known.last
    verb = {Branch.EXPAND: "Expand", Branch.CONTRACT: "Contract"}[branch]
    message = f"{verb} the schema for {release.name}, attempt {number}."
    created = Attempts(number, known.failed, last and last.model_copy(update={"created": True}))
    written = find_release(put_attempts(snapshot, release, branch, created), release.name)
    job = migration_job(snapshot.store, release, number, branch)
    return (
        Create(job, "Migrate", message, irreversible=branch is Branch.CONTRACT, reads=reads),
        WriteStatus(
            RELEASES.ref(release.name), written.status.manifest(), "Migrate", f"{message} Created."
        ),
    )


def retry_at(
    snapshot: Snapshot,
    release: BookStoreRelease,
    last: MigrationAttempt,
    branch: Branch = Branch.EXPAND,
) -> datetime:
    """Return when to make the next attempt.

    Not while a Pod of the last one has time to end. After that it may still run on a node that is
    lost, and only the lock of the contract keeps it from migrating beside the next.
    """
    due = (last.ended_at or last.started_at) + retry_delay(last)
    ends = [pod["metadata"]["deletionTimestamp"] for pod in pods_left(snapshot, release, branch)]
    return max([due, *map(parse_time, ends)])


def pods_left(
    snapshot: Snapshot, release: BookStoreRelease, branch: Branch = Branch.EXPAND
) -> list[Manifest]:
    """Return the Pods of the last attempt that are marked for deletion and still exist."""
    newest = migrations_of(snapshot, release, branch)[-1:]
    return [pod for one in newest for pod in terminating_pods(snapshot, one.job)]


def retry_delay(last: MigrationAttempt) -> timedelta:
    """Return the delay after a failed attempt: 10 s, doubled with each attempt, up to 5 min."""
    doubled: timedelta = FIRST_BACKOFF * 2 ** min(last.number - 1, 10)
    return min(doubled, LONGEST_BACKOFF)


def is_running(release: BookStoreRelease, branch: Branch = Branch.EXPAND) -> bool:
    """Whether the last attempt has a Job that has not ended."""
    last = attempts_of(release, branch).last
    return last is not None and last.created and last.ended_at is None


def _is_uncreated(last: MigrationAttempt) -> bool:
    return not last.created and last.ended_at is None


def _record_job(
    snapshot: Snapshot,
    release: BookStoreRelease,
    branch: Branch,
    migrations: tuple[Migration, ...],
    now: datetime,
) -> Snapshot:
    before, newest = attempts_of(release, branch), migrations[-1]
    last = before.last
    same = last is not None and last.number == newest.attempt
    if last and same and last.ended_at:
        return snapshot
    seen = {"created": True, **_outcome(newest, now)}
    attempt = (last if same else None) or MigrationAttempt(
        number=newest.attempt,
        database=release.status.database or database_identity(snapshot, release),
        started_at=now,
    )
    ended = newest.ending is not Ending.RUNNING
    changed = attempt.changed or (
        ended and newest.may_have_changed(release.status.schema_revisions)
    )
    attempt = attempt.model_copy(update={**seen, "changed": changed})
    # A record of an older operator has no last attempt: all of its Jobs exist.
    failed = before.failed if last else sum(m.counts for m in migrations[:-1])
    attempts = Attempts(max(before.count, newest.attempt), failed + newest.counts, attempt)
    recorded = put_attempts(
        snapshot,
        release,
        branch,
        attempts,
        schema_revisions=list(newest.schema_after) or release.status.schema_revisions,
        stage_started_at=_without_work(release, attempt, now),
    )
    return _note_change(recorded, release, branch, now)


def _note_change(
    snapshot: Snapshot, release: BookStoreRelease, branch: Branch, now: datetime
) -> Snapshot:
    """Return the Snapshot with the time at which a contract may first have changed the schema.

    The Snapshot has the outcome of the last attempt in the release's record.
    """
    recorded = find_release(snapshot, release.name)
    record, last = recorded.status.contract, attempts_of(recorded, branch).last
    if branch is Branch.EXPAND or record is None or record.changed_at:
        return snapshot
    if last is None or last.ended_at is None or not last.changed:
        return snapshot
    changed = record.model_copy(update={"changed_at": now})
    return update_status(snapshot, recorded, contract=changed)


def _without_work(
    release: BookStoreRelease, attempt: MigrationAttempt, now: datetime
) -> datetime | None:
    """Return the begin of the stage, moved by the time that an attempt has worked.

    The stage's deadline is for what it waits for. A failure that does not count, such as the end
    of the wait for a lock, was a wait too.
    """
    begun, ended = release.status.stage_started_at, attempt.ended_at
    if not release.in_flight or begun is None or ended is None:
        return begun
    if not attempt.succeeded and is_transient(attempt.code, attempt.message):
        return begun
    return min(now, begun + max(ended - max(attempt.started_at, begun), timedelta()))


def _outcome(migration: Migration, now: datetime) -> dict[str, object]:
    if migration.ending is Ending.RUNNING:
        return {}
    return {
        "ended_at": migration.ended_at or now,
        "succeeded": migration.ending is Ending.SUCCEEDED,
        "code": migration.code[:63],
        "message": migration.message[:_LONGEST_MESSAGE],
    }
