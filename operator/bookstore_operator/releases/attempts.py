"""The attempts to migrate the schema for a release, by its record.

Jobs can be deleted by anybody, or by a policy as soon as they have ended. So the record has what
decisions need: the number of the last attempt, which is written before its Job is created, its
outcome once it was observed, and how many have failed.
"""

from datetime import datetime, timedelta

from bookstore_operator.components.database.identity import database_identity
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.release import BookStoreRelease, MigrationAttempt
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


def record_attempts(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Snapshot:
    """Return the Snapshot with what the Jobs of a release show in its record."""
    last = release.status.last_attempt
    migrations = migrations_of(snapshot, release)
    if migrations and (last is None or migrations[-1].attempt >= last.number):
        return _record_job(snapshot, release, migrations, now)
    if last and last.created and last.ended_at is None:
        ended = last.model_copy(update={"ended_at": now, "message": DELETED})
        failed = release.status.failed_attempts + 1
        return update_status(snapshot, release, last_attempt=ended, failed_attempts=failed)
    return snapshot


def begin_attempt(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Snapshot:
    """Return the Snapshot with the next attempt in a release's record, before it has a Job.

    An attempt whose Job was not created is made again under its number: the operator was ended, or
    its write rejected, between the two.
    """
    last, current = release.status.last_attempt, database_identity(snapshot)
    same = last is not None and last.database == current
    if last and same and _is_uncreated(last):
        return snapshot
    number = max(release.status.attempts, last.number if last else 0)
    if last is None or not _is_uncreated(last):
        number += 1
    attempt = MigrationAttempt(number=number, database=current, started_at=now)
    return update_status(
        snapshot,
        release,
        attempts=number,
        last_attempt=attempt,
        failed_attempts=release.status.failed_attempts if same else 0,
    )


def mark_created(snapshot: Snapshot, release: BookStoreRelease) -> Snapshot:
    """Return the Snapshot in which the Job of a release's last attempt was created."""
    last = release.status.last_attempt
    created = last and last.model_copy(update={"created": True})
    return update_status(snapshot, release, last_attempt=created)


def retry_at(snapshot: Snapshot, release: BookStoreRelease, last: MigrationAttempt) -> datetime:
    """Return when to make the next attempt.

    Not while a Pod of the last one has time to end. After that it may still run on a node that is
    lost, and only the lock of the contract keeps it from migrating beside the next.
    """
    due = (last.ended_at or last.started_at) + retry_delay(last)
    ends = [pod["metadata"]["deletionTimestamp"] for pod in pods_left(snapshot, release)]
    return max([due, *map(parse_time, ends)])


def pods_left(snapshot: Snapshot, release: BookStoreRelease) -> list[Manifest]:
    """Return the Pods of the last attempt that are marked for deletion and still exist."""
    newest = migrations_of(snapshot, release)[-1:]
    return [pod for one in newest for pod in terminating_pods(snapshot, one.job)]


def retry_delay(last: MigrationAttempt) -> timedelta:
    """Return the delay after a failed attempt: 10 s, doubled with each attempt, up to 5 min."""
    doubled: timedelta = FIRST_BACKOFF * 2 ** min(last.number - 1, 10)
    return min(doubled, LONGEST_BACKOFF)


def is_running(release: BookStoreRelease) -> bool:
    """Whether the last attempt has a Job that has not ended."""
    last = release.status.last_attempt
    return last is not None and last.created and last.ended_at is None


def _is_uncreated(last: MigrationAttempt) -> bool:
    return not last.created and last.ended_at is None


def _record_job(
    snapshot: Snapshot,
    release: BookStoreRelease,
    migrations: tuple[Migration, ...],
    now: datetime,
) -> Snapshot:
    status, newest = release.status, migrations[-1]
    last = status.last_attempt
    known = last is not None and last.number == newest.attempt
    if last and known and last.ended_at:
        return snapshot
    seen = {"created": True, **_outcome(newest, now)}
    attempt = (last if known else None) or MigrationAttempt(
        number=newest.attempt,
        database=status.database or database_identity(snapshot),
        started_at=now,
    )
    attempt = attempt.model_copy(update=seen)
    # A record of an older operator has no last attempt: all of its Jobs exist.
    failed = status.failed_attempts if last else sum(m.counts for m in migrations[:-1])
    return update_status(
        snapshot,
        release,
        attempts=max(status.attempts, newest.attempt),
        last_attempt=attempt,
        failed_attempts=failed + newest.counts,
        schema_revisions=list(newest.schema_after) or status.schema_revisions,
        stage_started_at=_without_work(release, attempt, now),
    )


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
