"""Whether the schema suits the release."""

from __future__ import annotations

from datetime import datetime, timedelta

from bookstore_operator.build.common import RELEASE_LABEL
from bookstore_operator.facts import history, pods
from bookstore_operator.facts.jobs import (
    Ending,
    Migration,
    migrations_of,
    running_migration,
)
from bookstore_operator.gates.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.snapshot import Snapshot

FIRST_BACKOFF = timedelta(seconds=10)
LONGEST_BACKOFF = timedelta(minutes=5)


def no_other_migration(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when no other release migrates the same database. A running one is never ended."""
    del now
    running = running_migration(snapshot, but=history.newest(snapshot))
    if running is None:
        return Passed()
    name = running["metadata"]["name"]
    return Waiting("OtherMigrationRuns", f"Waiting for the migration Job {name} to end.")


def migration_done(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when a migration Job of the newest release has succeeded."""
    release = history.newest(snapshot)
    tried = migrations_of(snapshot, release) if release else ()
    if release is None or not tried:
        return Waiting("Migrating", "The migration of the schema is about to start.")
    last = tried[-1]
    if last.ending is Ending.SUCCEEDED:
        return Passed()
    if last.ending is Ending.RUNNING:
        trouble = pods.trouble(snapshot, {RELEASE_LABEL: release.name})
        return Waiting("Migrating", f"Waiting for the migration Job {last.name} to end.{trouble}")
    allowed = snapshot.store.spec.migration.attempts
    if sum(migration.counts for migration in tried) >= allowed:
        return Failed(
            "MigrationFailed",
            f"The migration failed, the last time (Job {last.name}) because: {last.message}",
        )
    return Waiting("MigrationRetry", _retry_message(last), until=retry_at(last, now))


def retry_at(last: Migration, now: datetime) -> datetime:
    """Return when to try again after a failed attempt: 10 s later, twice as long each time."""
    doubled: timedelta = FIRST_BACKOFF * 2 ** min(last.attempt - 1, 10)
    return (last.ended_at or now) + min(doubled, LONGEST_BACKOFF)


def _retry_message(last: Migration) -> str:
    todo = {
        "unreachable": "See whether the database runs and can be reached. ",
        "refused-credentials": "Correct the credentials in the database's Secret. ",
    }.get(last.code, "")
    return f"The migration Job {last.name} failed: {last.message} {todo}It will be tried again."
