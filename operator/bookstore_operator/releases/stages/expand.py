"""Stage Expand: bring the schema to where both the old and the new code can work with it."""

from datetime import datetime, timedelta

from bookstore_operator.components.cache.gate import cache_secret_valid
from bookstore_operator.components.database.gate import database_ready
from bookstore_operator.components.staff.gate import staff_secret_valid
from bookstore_operator.core import contract, history, names
from bookstore_operator.core.gate import Answer, Failed, Gate, Passed, Waiting
from bookstore_operator.core.kinds import JOBS
from bookstore_operator.core.labels import RELEASE_LABEL
from bookstore_operator.core.plan import Action, Create
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.manifests import expand_job
from bookstore_operator.releases.migrations import Migration, migrations_of, running_migration
from bookstore_operator.releases.progress import Progress
from bookstore_operator.workloads import pod_problems, termination
from bookstore_operator.workloads.jobs import Ending
from bookstore_operator.workloads.pod_problems import full_volume_advice

FIRST_BACKOFF = timedelta(seconds=10)
LONGEST_BACKOFF = timedelta(minutes=5)


def expand(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Run migration Jobs one by one until one succeeds or `spec.migration.attempts` have failed."""
    snapshot = _record_attempts(snapshot, release)
    done = visit.ask(migration_done, snapshot)
    if isinstance(done, Failed) or _is_running(snapshot, release):
        return Progress(snapshot, done)
    # The Secrets that the Pods mount are checked before the migration, and again before Start.
    mounted: tuple[Gate, ...] = (staff_secret_valid, cache_secret_valid)
    first: tuple[Gate, ...] = (database_ready, *mounted, no_other_migration)
    for gate in mounted if isinstance(done, Passed) else first:
        answer = visit.ask(gate, snapshot)
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer)
    if isinstance(done, Passed):
        return Progress(snapshot, done)
    if done.until and visit.now < done.until:
        return Progress(snapshot, done)
    return Progress(snapshot, done, (_create_job(snapshot, release),))


def _is_running(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    return any(m.ending is Ending.RUNNING for m in migrations_of(snapshot, release))


def _record_attempts(snapshot: Snapshot, release: BookStoreRelease) -> Snapshot:
    """Record the number of attempts and the schema after the last one."""
    migrations = migrations_of(snapshot, release)
    if not migrations:
        return snapshot
    last = migrations[-1]
    attempts = max(release.status.attempts, last.attempt)
    schema = list(last.schema_after) or release.status.schema_revisions
    return update_status(snapshot, release, attempts=attempts, schema_revisions=schema)


def _create_job(snapshot: Snapshot, release: BookStoreRelease) -> Action:
    migrations = migrations_of(snapshot, release)
    attempt = max(release.status.attempts, migrations[-1].attempt if migrations else 0) + 1
    job = expand_job(snapshot.store, release, attempt)
    return Create(job, "Migrate", f"Expand the schema for {release.name}, attempt {attempt}.")


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
    """Pass when a migration Job of the newest release has succeeded."""
    release = history.newest(snapshot)
    migrations = migrations_of(snapshot, release) if release else ()
    if release is None or not migrations:
        return Waiting(Reason.MIGRATING, "The migration of the schema has not started yet.")
    last = migrations[-1]
    if last.ending is Ending.SUCCEEDED:
        return Passed()
    if last.ending is Ending.RUNNING:
        return _running_answer(snapshot, release, last)
    allowed = snapshot.store.spec.migration.attempts
    if sum(migration.counts for migration in migrations) >= allowed:
        return Failed(
            Reason.MIGRATION_FAILED,
            f"The migration failed. Last attempt (Job {last.name}): {last.message}",
        )
    reason = (
        Reason.VOLUME_FULL
        if termination.volume_full(last.message)
        else contract.RETRY_REASONS.get(last.code)
    )
    again = retry_at(last, now)
    return Waiting(reason or Reason.MIGRATION_RETRY, _retry_message(snapshot, last), until=again)


def _running_answer(snapshot: Snapshot, release: BookStoreRelease, last: Migration) -> Waiting:
    pods = {RELEASE_LABEL: release.name}
    problem = pod_problems.problem_of_pods(snapshot, pods, JOBS.ref(last.name))
    seconds = last.job["spec"].get("activeDeadlineSeconds")
    message = (
        f"Waiting for migration Job {last.name}. Its time limit is {seconds} s "
        "(spec.migration.timeoutSeconds)."
    )
    return pod_problems.wait_for_pods(Reason.MIGRATING, message, problem)


def retry_at(last: Migration, now: datetime) -> datetime:
    """Return when to retry a failed attempt."""
    return (last.ended_at or now) + _retry_delay(last)


def _retry_delay(last: Migration) -> timedelta:
    """Return the delay after a failed attempt: 10 s, doubled with each attempt, up to 5 min."""
    doubled: timedelta = FIRST_BACKOFF * 2 ** min(last.attempt - 1, 10)
    return min(doubled, LONGEST_BACKOFF)


def _retry_message(snapshot: Snapshot, last: Migration) -> str:
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
    seconds = f"{_retry_delay(last).total_seconds():.0f}"
    return f"Migration Job {last.name} failed: {cause}. {advice}Retrying in {seconds} s."
