"""Stage Expand: bring the schema to where both the old and the new code can work with it."""

from datetime import datetime

from bookstore_operator.components.cache.gate import cache_secret_valid
from bookstore_operator.components.database.gate import database_ready
from bookstore_operator.components.database.identity import (
    database_identity,
    describe_replacement,
)
from bookstore_operator.components.staff.gate import staff_secret_valid
from bookstore_operator.core import contract, history, names
from bookstore_operator.core.deadline import bounded
from bookstore_operator.core.gate import Answer, Failed, Gate, Passed, Waiting
from bookstore_operator.core.kinds import RELEASES
from bookstore_operator.core.plan import Create, Manifest, WriteStatus
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease, MigrationAttempt
from bookstore_operator.releases.attempts import (
    FIRST_BACKOFF,
    begin_attempt,
    is_running,
    mark_created,
    pods_left,
    record_attempts,
    retry_at,
    retry_delay,
)
from bookstore_operator.releases.manifests import expand_job
from bookstore_operator.releases.migrations import (
    is_expanded_already,
    is_transient,
    running_answer,
    running_migration,
)
from bookstore_operator.releases.progress import Progress
from bookstore_operator.workloads import termination
from bookstore_operator.workloads.pod_problems import full_volume_advice


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
    mounted: tuple[Gate, ...] = (staff_secret_valid, cache_secret_valid)
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
    number = release.status.attempts
    job = expand_job(snapshot.store, release, number)
    message = f"Expand the schema for {release.name}, attempt {number}."
    created = find_release(mark_created(snapshot, release), release.name).status.manifest()
    record = WriteStatus(RELEASES.ref(release.name), created, "Migrate", f"{message} Created.")
    return Progress(snapshot, done, (Create(job, "Migrate", message), record))


def _record_database(snapshot: Snapshot, release: BookStoreRelease) -> Snapshot:
    """Record which database the last attempt has migrated."""
    last = release.status.last_attempt
    migrated = (last.database if last else "") or database_identity(snapshot)
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
    """Pass when no other release migrates the same database. A running Job is not interrupted."""
    del now
    running = running_migration(snapshot, but=history.newest(snapshot))
    if running is None:
        return Passed()
    name = running["metadata"]["name"]
    message = f"Waiting for migration Job {name} of another release to complete."
    return Waiting(Reason.MIGRATION_IN_PROGRESS, message)


def migration_done(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the last migration of the newest release has succeeded in the current database."""
    release = history.newest(snapshot)
    if release is None:
        return Waiting(Reason.MIGRATING, "The migration of the schema has not started yet.")
    return migration_answer(snapshot, release, now)


def migration_answer(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Answer:
    """Pass when the last migration of a release has succeeded in the current database."""
    last = release.status.last_attempt
    if last is None:
        return Waiting(Reason.MIGRATING, "The migration of the schema has not started yet.")
    if is_running(release):
        return running_answer(snapshot, release, last.number, now)
    if last.ended_at is None:
        name = names.migration_job(release.name, last.number)
        message = f"Migration Job {name} does not exist yet."
        return Waiting(Reason.MIGRATING, message, until=last.started_at + FIRST_BACKOFF)
    if last.database and database_identity(snapshot) not in {"", last.database}:
        message = f"{describe_replacement(snapshot)} It is migrated next."
        return Waiting(Reason.DATABASE_REPLACED, message)
    return Passed() if last.succeeded else _failed_answer(snapshot, release, last)


def _failed_answer(
    snapshot: Snapshot, release: BookStoreRelease, last: MigrationAttempt
) -> Waiting | Failed:
    exhausted = release.status.failed_attempts >= snapshot.store.spec.migration.attempts
    if exhausted and release.in_flight:
        name = names.migration_job(release.name, last.number)
        return Failed(
            Reason.MIGRATION_FAILED,
            f"The migration failed. Last attempt (Job {name}): {last.message}",
        )
    reason = (
        Reason.VOLUME_FULL
        if termination.volume_full(last.message)
        else contract.RETRY_REASONS.get(last.code)
    )
    return Waiting(
        reason or Reason.MIGRATION_RETRY,
        _retry_message(snapshot, release, last),
        until=retry_at(snapshot, release, last),
        stalled=exhausted,
    )


def _retry_message(snapshot: Snapshot, release: BookStoreRelease, last: MigrationAttempt) -> str:
    external = snapshot.store.spec.database.external
    secret = external.secret_name if external else names.database(snapshot.store.name)
    advice = {
        contract.UNREACHABLE: "Check that the database runs and is reachable. ",
        contract.AUTHENTICATION_FAILED: f"Correct the credentials in Secret {secret}. ",
    }.get(last.code, "")
    if termination.volume_full(last.message):
        expand_claim = full_volume_advice(names.database_claim(snapshot.store.name))
        advice = "Free disk space on the database server. " if external else f"{expand_claim} "
    cause = last.message.rstrip(".")
    name = names.migration_job(release.name, last.number)
    seconds = f"{retry_delay(last).total_seconds():.0f}"
    lost = "".join(map(_may_still_run, pods_left(snapshot, release)))
    return f"Migration Job {name} failed: {cause}. {advice}{lost}Retrying in {seconds} s."


def _may_still_run(pod: Manifest) -> str:
    name, node = pod["metadata"]["name"], (pod.get("spec") or {}).get("nodeName", "unknown")
    return (
        f"Pod {name} may still run on node {node}, which does not confirm its end: the migration's "
        "lock in the database keeps the next attempt from running beside it. "
    )
