"""Whether the schema suits the release."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bookstore_operator.core import history, names
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.labels import RELEASE_LABEL
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.migrations import Migration, migrations_of, running_migration
from bookstore_operator.workloads import pod_problems, termination
from bookstore_operator.workloads.jobs import Ending
from bookstore_operator.workloads.pod_problems import full_volume_advice

FIRST_BACKOFF = timedelta(seconds=10)
LONGEST_BACKOFF = timedelta(minutes=5)
RETRIES: Mapping[str, Reason] = {
    "unreachable": Reason.DATABASE_UNREACHABLE,
    "refused-credentials": Reason.DATABASE_REFUSED_CREDENTIALS,
    "locked": Reason.DATABASE_LOCKED,
}
"""What the codes of the contract are called in conditions."""


def no_other_migration(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when no other release migrates the same database. A running one is never ended."""
    del now
    running = running_migration(snapshot, but=history.newest(snapshot))
    if running is None:
        return Passed()
    name = running["metadata"]["name"]
    return Waiting(Reason.OTHER_MIGRATION_RUNS, f"Waiting for the migration Job {name} to end.")


def migration_done(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when a migration Job of the newest release has succeeded."""
    release = history.newest(snapshot)
    tried = migrations_of(snapshot, release) if release else ()
    if release is None or not tried:
        return Waiting(Reason.MIGRATING, "The migration of the schema is about to start.")
    last = tried[-1]
    if last.ending is Ending.SUCCEEDED:
        return Passed()
    if last.ending is Ending.RUNNING:
        return _running(snapshot, release, last)
    allowed = snapshot.store.spec.migration.attempts
    if sum(migration.counts for migration in tried) >= allowed:
        return Failed(
            Reason.MIGRATION_FAILED,
            f"The migration failed, the last time (Job {last.name}) because: {last.message}",
        )
    reason = Reason.VOLUME_FULL if termination.volume_full(last.message) else RETRIES.get(last.code)
    again = retry_at(last, now)
    return Waiting(reason or Reason.MIGRATION_RETRY, _retry_message(snapshot, last), until=again)


def _running(snapshot: Snapshot, release: BookStoreRelease, last: Migration) -> Waiting:
    trouble = pod_problems.trouble(snapshot, {RELEASE_LABEL: release.name})
    trouble = trouble or pod_problems.creation_refused(snapshot, "Job", last.name)
    seconds = last.job["spec"].get("activeDeadlineSeconds")
    told = (
        f"Waiting for the migration Job {last.name}, which may take {seconds} s "
        "(spec.migration.timeoutSeconds)."
    )
    return Waiting(
        pod_problems.serious_or(Reason.MIGRATING, trouble), pod_problems.with_trouble(told, trouble)
    )


def retry_at(last: Migration, now: datetime) -> datetime:
    """Return when to try again after a failed attempt: 10 s later, twice as long each time."""
    doubled: timedelta = FIRST_BACKOFF * 2 ** min(last.attempt - 1, 10)
    return (last.ended_at or now) + min(doubled, LONGEST_BACKOFF)


def _retry_message(snapshot: Snapshot, last: Migration) -> str:
    external = snapshot.store.spec.database.external
    secret = external.secret_name if external else names.database(snapshot.store.name)
    todo = {
        "unreachable": "See whether the database runs and can be reached. ",
        "refused-credentials": f"Correct the credentials in Secret {secret}. ",
    }.get(last.code, "")
    if termination.volume_full(last.message):
        claim = names.database_claim(snapshot.store.name)
        todo = "Give the database server room. " if external else f"{full_volume_advice(claim)} "
    cause = last.message.rstrip(".")
    return f"The migration Job {last.name} failed: {cause}. {todo}It will be tried again."
