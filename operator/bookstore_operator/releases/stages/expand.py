"""Stage Expand: bring the schema to where both the old and the new code can work with it."""

from datetime import datetime

from bookstore_operator.components.cache.gate import cache_secret_valid
from bookstore_operator.components.database.gate import database_ready
from bookstore_operator.components.database.identity import database_identity
from bookstore_operator.components.signing_keys.gate import signing_secret_valid
from bookstore_operator.components.smtp.gate import smtp_secret_valid
from bookstore_operator.components.staff.gate import staff_secret_valid
from bookstore_operator.core import history
from bookstore_operator.core.deadline import bounded
from bookstore_operator.core.gate import Answer, Failed, Gate, Passed, Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.answers import migration_answer
from bookstore_operator.releases.attempts import (
    attempt_actions,
    begin_attempt,
    is_running,
    record_attempts,
)
from bookstore_operator.releases.bootstrap import bootstrap
from bookstore_operator.releases.migrations import (
    is_expanded_already,
    is_transient,
    running_migration,
)
from bookstore_operator.releases.progress import Progress


def expand(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Run migration Jobs one by one until one succeeds or `spec.migration.attempts` have failed."""
    snapshot = record_attempts(snapshot, release, visit.now)
    release = find_release(snapshot, release.name)
    newest = release == history.newest(snapshot)
    done = (
        visit.ask(migration_done, snapshot)
        if newest
        else migration_answer(snapshot, release, visit.now)
    )
    if isinstance(done, Failed) or is_running(release):
        return Progress(snapshot, done)
    skipped = is_expanded_already(snapshot, release)
    # The Secrets that the Pods mount are checked before the migration, and again before Start.
    mounted: tuple[Gate, ...] = (
        *(staff_secret_valid, signing_secret_valid),
        *(cache_secret_valid, smtp_secret_valid),
    )
    first: tuple[Gate, ...] = (database_ready, *mounted, no_other_migration)
    for gate in mounted if isinstance(done, Passed) else first:
        answer = visit.ask(gate, snapshot)
        if isinstance(answer, Waiting):
            answer = bounded(snapshot, release, answer, visit.now)
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer)
    if skipped:
        return Progress(_record_as_active(snapshot, release), Passed())
    if isinstance(done, Passed):
        return Progress(_record_database(snapshot, release), done)
    return _migrate(snapshot, release, visit, done)


def _migrate(
    snapshot: Snapshot, release: BookStoreRelease, visit: Visit, done: Waiting
) -> Progress:
    """Take the next step while no migration runs, and the database is up."""
    restored = bootstrap(snapshot, release, visit)
    if not isinstance(restored.answer, Passed):
        return restored
    snapshot, release = restored.snapshot, find_release(restored.snapshot, release.name)
    waiting = _retry_or_fail(snapshot, release, visit, done)
    if isinstance(waiting, Failed) or (done.until and visit.now < done.until):
        return Progress(snapshot, waiting)
    return _begin(snapshot, release, visit, waiting)


def _retry_or_fail(
    snapshot: Snapshot, release: BookStoreRelease, visit: Visit, done: Waiting
) -> Waiting | Failed:
    """Return the answer while no migration runs: what is retried without counting has a deadline.

    Failures that count are limited by `spec.migration.attempts`, however long each takes.
    """
    last = release.status.last_attempt
    counted = last is not None and last.ended_at and not is_transient(last.code, last.message)
    return done if counted else bounded(snapshot, release, done, visit.now)


def _begin(snapshot: Snapshot, release: BookStoreRelease, visit: Visit, done: Waiting) -> Progress:
    """Begin the next attempt: it is recorded before its Job is created, and when it was."""
    snapshot = begin_attempt(snapshot, release, visit.now)
    release = find_release(snapshot, release.name)
    if release.in_flight:  # as the report does; both writes must have the same message
        snapshot = update_status(snapshot, release, reason=done.reason, message=done.message)
        release = find_release(snapshot, release.name)
    return Progress(snapshot, done, attempt_actions(snapshot, release))


def _record_database(snapshot: Snapshot, release: BookStoreRelease) -> Snapshot:
    """Record which database the last attempt has migrated."""
    last = release.status.last_attempt
    migrated = (last.database if last else "") or database_identity(snapshot, release)
    return update_status(snapshot, release, database=migrated)


def _record_as_active(snapshot: Snapshot, release: BookStoreRelease) -> Snapshot:
    """Record the schema of the active release, which has the same image."""
    active = history.active(snapshot)
    if active is None:
        return snapshot
    return update_status(
        snapshot,
        release,
        database=active.status.database,
        schema_revisions=active.status.schema_revisions,
    )


def no_other_migration(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when no other migration of the same database runs: of another release, or a contract."""
    del now
    running = running_migration(snapshot, but=history.newest(snapshot))
    if running is None:
        return Passed()
    name = running["metadata"]["name"]
    message = f"Waiting for migration Job {name} to complete: at most one runs at a time."
    return Waiting(Reason.MIGRATION_IN_PROGRESS, message)


def migration_done(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the last migration of the newest release has succeeded in the current database."""
    release = history.newest(snapshot)
    if release is None:
        return Waiting(Reason.MIGRATING, "The migration of the schema has not started yet.")
    return migration_answer(snapshot, release, now)
