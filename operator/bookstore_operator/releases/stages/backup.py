"""Stage Backup: before a migration, a backup that is fresh enough, or one made for the release."""

from datetime import datetime, timedelta

from bookstore_operator.components.backup.images import image_missing
from bookstore_operator.components.backup.manifests import release_backup_job
from bookstore_operator.components.backup.runs import (
    backup_name,
    began_at,
    newest_success,
    why_failed,
)
from bookstore_operator.components.backup.schedule import SLACK, backup_jobs
from bookstore_operator.components.database.gate import database_ready
from bookstore_operator.components.database.identity import database_identity, database_volume
from bookstore_operator.components.database.servers import changes_database
from bookstore_operator.core import history, names
from bookstore_operator.core.deadline import bounded
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.kinds import CRON_JOBS, JOBS, RELEASES
from bookstore_operator.core.labels import JOB_NAME_LABELS
from bookstore_operator.core.lookup import find, owned_by
from bookstore_operator.core.plan import Action, Create, Manifest, WriteStatus
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.backups import BackupRun
from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.spec.backup import BeforeMigration
from bookstore_operator.releases.migrations import is_expanded_already
from bookstore_operator.releases.progress import Progress
from bookstore_operator.workloads import pod_problems
from bookstore_operator.workloads.jobs import Ending, ended_at, ending_of, result_of
from bookstore_operator.workloads.stuck import cancel_job, never_ran

MOST_LOST = 3
"""How many Jobs in a row may be deleted by others before their result was read."""
REPEAT_LOST = timedelta(seconds=10)
REPEAT_FIRST = timedelta(minutes=5)
"""The delay after a backup that failed for a first release, which nothing else serves for."""


def backup(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Pass once a backup protects the data from the migration, or none is needed."""
    snapshot = _record_job(snapshot, release, visit.now)
    release = find_release(snapshot, release.name)
    answer = visit.ask(backed_up, snapshot)
    if isinstance(answer, Passed):
        found = _protection(snapshot, release) or ""
        run = (release.status.backup or BackupRun()).model_copy(update={"message": found})
        cancelled = tuple(_cancel(snapshot, release))
        return Progress(update_status(snapshot, release, backup=run), answer, cancelled)
    if isinstance(answer, Failed) or not _is_due(snapshot, release, visit.now):
        return Progress(snapshot, answer)
    for gate in (not_suspended, database_ready, scheduled):
        before = visit.ask(gate, snapshot)
        if isinstance(before, Waiting):
            before = bounded(snapshot, release, before, visit.now)
        if not isinstance(before, Passed):
            return Progress(snapshot, before)
    return _begin(snapshot, release, visit, answer)


def backed_up(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when a backup of the current database is fresh, or none is needed."""
    release = history.newest(snapshot)
    if release is None or _protection(snapshot, release, now) is not None:
        return Passed()
    run = _current_run(snapshot, release)
    if run is None or not run.attempt:
        return _other_running(snapshot, now) or Waiting(
            Reason.BACKING_UP, "The database is backed up before its migration."
        )
    if run.ended_at is None:
        return _running(snapshot, release, run, now)
    return _repeat_or_fail(snapshot, release, run)


def not_suspended(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if backups may be made now."""
    del now
    backups = snapshot.store.spec.backup
    if backups and backups.suspend:
        return Waiting(
            Reason.BACKUP_SUSPENDED,
            "The migration needs a backup, and spec.backup.suspend is true. Set it to false, or "
            "spec.backup.beforeMigration to skip.",
        )
    return Passed()


def scheduled(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if there is the CronJob, which is created once it is known which database there is."""
    del now
    name = names.backup(snapshot.store.name)
    if missing := image_missing(snapshot):
        return Waiting(Reason.BACKUP_IMAGE_MISSING, f"The migration needs a backup. {missing}")
    if find(snapshot, CRON_JOBS, name) is None:
        return Waiting(Reason.BACKING_UP, f"Waiting for CronJob {name} to be created.")
    return Passed()


# What protects the data ------------------------------------------------------------------------


def _protection(
    snapshot: Snapshot, release: BookStoreRelease, now: datetime | None = None
) -> str | None:
    """Return which backup protects the data, or why none is needed; None if one is.

    Without a time, a backup of any age counts: it was fresh when the stage passed.
    """
    if unneeded := _unneeded(snapshot, release):
        return f"No backup: {unneeded}"
    run, backups = _current_run(snapshot, release), snapshot.store.spec.backup
    if backups is None:
        return None
    if run and run.succeeded:
        made = f"Job {names.release_backup(release.name, run.attempt)}"
        made = f"{run.backup} ({made})" if run.backup else made
        return f"Backup {made} was made for this release."
    since = release.metadata.creation_timestamp
    if backups.before_migration is BeforeMigration.MAX_AGE:
        since = now and now - timedelta(seconds=backups.max_age_seconds)
    if fresh := newest_success(snapshot, since):
        return f"Backup {fresh.described} began at {fresh.began_at:%Y-%m-%d %H:%M:%S} UTC."
    return None


def _unneeded(snapshot: Snapshot, release: BookStoreRelease) -> str | None:
    """Return why the release needs no backup; None if it needs one."""
    backups = snapshot.store.spec.backup
    if is_expanded_already(snapshot, release):
        return "the release migrates nothing."
    if changes_database(snapshot, release):
        return "the database that it migrates is another one than that which serves."
    if backups is None:
        return "spec.backup is not set."
    if backups.before_migration is BeforeMigration.SKIP:
        return "spec.backup.beforeMigration is skip."
    if history.active(snapshot) is None and _is_database_new(snapshot):
        return "the database is new."
    return None


def _is_database_new(snapshot: Snapshot) -> bool:
    """Whether the embedded database was created for this BookStore; another may have data."""
    if snapshot.store.spec.database.external:
        return False
    claim, store = database_volume(snapshot), snapshot.store.metadata.creation_timestamp
    if claim is None or store is None:
        return True
    return parse_time(claim["metadata"]["creationTimestamp"]) >= store


def _current_run(snapshot: Snapshot, release: BookStoreRelease) -> BackupRun | None:
    """Return the record of the backup made for a release; None if it is of another database."""
    run, current = release.status.backup, database_identity(snapshot)
    return None if run and run.database and current not in {"", run.database} else run


# Jobs ------------------------------------------------------------------------------------------


def _job_of(snapshot: Snapshot, release: BookStoreRelease, run: BackupRun) -> Manifest | None:
    job = find(snapshot, JOBS, names.release_backup(release.name, run.attempt))
    return job if job and owned_by(job, release.metadata.uid) else None


def _record_job(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Snapshot:
    """Return the Snapshot with what the Job of the release's backup shows in the record."""
    run = release.status.backup
    if run is None or not run.attempt or run.ended_at:
        return snapshot
    job = _job_of(snapshot, release, run)
    changes: dict[str, object] = {"created": True}
    if job is None:
        if not run.created:
            return snapshot
        message = "Its Job was deleted before its result was read."
        changes = {"ended_at": now, "lost": True, "message": message}
    elif (ending := ending_of(snapshot, job)) is not Ending.RUNNING:
        failed = ending is Ending.FAILED
        changes |= {
            "ended_at": ended_at(snapshot, job) or now,
            "succeeded": not failed,
            "backup": "" if failed else backup_name(result_of(snapshot, job)),
            "message": why_failed(snapshot, job)[:1024] if failed else "",
        }
    return update_status(snapshot, release, backup=run.model_copy(update=changes))


def _is_due(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> bool:
    """Whether a backup is to be made now."""
    run = _current_run(snapshot, release)
    if run is None or not run.attempt:
        return _other_running(snapshot, now) is None
    if run.ended_at is None:
        return not run.created
    return now >= run.ended_at + (REPEAT_LOST if run.lost else REPEAT_FIRST)


def _begin(
    snapshot: Snapshot, release: BookStoreRelease, visit: Visit, answer: Waiting
) -> Progress:
    """Make the backup of a release: recorded before its Job is created, and when it was."""
    cron_job = find(snapshot, CRON_JOBS, names.backup(snapshot.store.name))
    if cron_job is None:
        return Progress(snapshot, answer)
    last = release.status.backup or BackupRun()
    uncreated = last.attempt and not last.created and last.ended_at is None
    run = BackupRun(
        attempt=last.attempt if uncreated else last.attempt + 1,
        database=database_identity(snapshot),
        started_at=visit.now,
    )
    snapshot = update_status(
        snapshot, release, backup=run, reason=answer.reason, message=answer.message
    )
    release = find_release(snapshot, release.name)
    job = release_backup_job(cron_job, release, run.attempt)
    message = f"Back up the database before {release.name} migrates it."
    created = run.model_copy(update={"created": True})
    status = release.status.model_copy(update={"backup": created}).manifest()
    record = WriteStatus(RELEASES.ref(release.name), status, "BackUp", f"{message} Created.")
    return Progress(snapshot, answer, (Create(job, "BackUp", message), record))


def _cancel(snapshot: Snapshot, release: BookStoreRelease) -> list[Action]:
    """Return the end of a backup of the release that is no longer needed."""
    run = release.status.backup
    job = _job_of(snapshot, release, run) if run and run.attempt else None
    if job is None or ending_of(snapshot, job) is not Ending.RUNNING:
        return []
    return [cancel_job(snapshot, job, "another backup protects the data, or none is needed.")]


# Waiting ---------------------------------------------------------------------------------------


def _other_running(snapshot: Snapshot, now: datetime) -> Waiting | None:
    """Return the wait for a backup that is not the release's own; None if there is none.

    Two at once would load the database twice. It counts if it began late enough.
    """
    for job in backup_jobs(snapshot):
        if ending_of(snapshot, job) is not Ending.RUNNING or never_ran(snapshot, job):
            continue
        seconds = job["spec"].get("activeDeadlineSeconds") or 0
        limit = began_at(job) + timedelta(seconds=seconds) + SLACK
        if now < limit:
            name = job["metadata"]["name"]
            message = f"Waiting for backup Job {name}, which runs already, before the migration."
            return Waiting(Reason.BACKING_UP, message, limit)
    return None


def _running(
    snapshot: Snapshot, release: BookStoreRelease, run: BackupRun, now: datetime
) -> Waiting | Failed:
    job = JOBS.ref(names.release_backup(release.name, run.attempt))
    backups = snapshot.store.spec.backup
    seconds = backups.timeout_seconds if backups else 0
    limit = (run.started_at or now) + timedelta(seconds=seconds) + SLACK
    pods = {JOB_NAME_LABELS[0]: job.name}
    problem = pod_problems.problem_of_pods(snapshot, pods, job, now)
    message = (
        f"Waiting for backup Job {job.name}, before the migration. Its time limit is {seconds} s "
        "(spec.backup.timeoutSeconds)."
    )
    if now < limit:
        return pod_problems.wait_for_pods(Reason.BACKING_UP, message, problem, limit)
    late = f"Backup Job {job.name} did not end within {seconds} s (spec.backup.timeoutSeconds)."
    return Failed(Reason.BACKUP_FAILED, pod_problems.append_problem(late, problem))


def _repeat_or_fail(
    snapshot: Snapshot, release: BookStoreRelease, run: BackupRun
) -> Waiting | Failed:
    name = names.release_backup(release.name, run.attempt)
    message = f"The backup before the migration (Job {name}) failed: {run.message}"
    ended = run.ended_at or run.started_at
    first = history.active(snapshot) is None
    if run.lost and run.attempt < MOST_LOST:
        return Waiting(Reason.BACKING_UP, f"{message} Repeating it.", ended and ended + REPEAT_LOST)
    if first:
        return Waiting(
            Reason.BACKUP_FAILED,
            f"{message} Repeating it every 5 min.",
            ended and ended + (REPEAT_LOST if run.lost else REPEAT_FIRST),
            stalled=True,
        )
    return Failed(Reason.BACKUP_FAILED, message)
