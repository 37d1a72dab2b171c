"""Whether the database is backed up."""

from datetime import datetime

from bookstore_operator.components.backup import schedule
from bookstore_operator.components.backup.images import image_missing
from bookstore_operator.components.backup.runs import why_failed
from bookstore_operator.core import names
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.gate import Answer
from bookstore_operator.core.kinds import CRON_JOBS, JOBS
from bookstore_operator.core.labels import JOB_NAME_LABELS
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.status import BACKUP_HEALTHY
from bookstore_operator.workloads import pod_problems
from bookstore_operator.workloads.jobs import Ending, ending_of
from bookstore_operator.workloads.pod_causes import PodProblem


def backup_healthy(snapshot: Snapshot, visit: Visit, _answer: Answer) -> Finding:
    """Return the BackupHealthy condition: whether the last backup succeeded in time."""
    backup = snapshot.store.spec.backup
    if backup is None:
        message = "Nothing is backed up: set spec.backup.schedule."
        return unknown(BACKUP_HEALTHY, Reason.NOT_CONFIGURED, message)
    last = next(reversed(schedule.ended(snapshot)), None)
    if failure := _failure(snapshot, last, visit.now):
        return failure
    if backup.suspend:
        message = "Backups are suspended: spec.backup.suspend is true."
        return unknown(BACKUP_HEALTHY, Reason.SUSPENDED, message)
    if overdue := schedule.overdue(snapshot, visit.now):
        return fails(BACKUP_HEALTHY, Reason.BACKUP_OVERDUE, overdue)
    if last is None and schedule.last_success(snapshot) is None:
        message = f"Waiting for the first backup ({backup.schedule})."
        return unknown(BACKUP_HEALTHY, Reason.NO_BACKUP_YET, message)
    return holds(BACKUP_HEALTHY, Reason.BACKED_UP, "The last backup succeeded.")


def _failure(snapshot: Snapshot, last: Manifest | None, now: datetime) -> Finding | None:
    """Return why a backup can't start or why the last one failed; None if neither."""
    if missing := image_missing(snapshot):
        return fails(BACKUP_HEALTHY, Reason.BACKUP_IMAGE_MISSING, missing)
    if problem := _starting_problem(snapshot, now):
        message = f"The backup does not start: {problem.message}"
        return fails(BACKUP_HEALTHY, problem.reason, message)
    if lost := schedule.lost_run(snapshot, now):
        message = (
            f"The backup that started at {lost:%Y-%m-%d %H:%M} UTC did not succeed, as far as is "
            "known: its Job was deleted, by a policy or a person, before its result was read. See "
            "the events of the namespace, and keep Jobs that have ended for some minutes "
            "(ttlSecondsAfterFinished)."
        )
        return fails(BACKUP_HEALTHY, Reason.BACKUP_FAILED, message)
    if last is None or ending_of(snapshot, last) is not Ending.FAILED:
        return None
    name = last["metadata"]["name"]
    message = f"The last backup (Job {name}) failed: {why_failed(snapshot, last)}"
    return fails(BACKUP_HEALTHY, Reason.BACKUP_FAILED, message)


def _starting_problem(snapshot: Snapshot, now: datetime) -> PodProblem | None:
    """Return what keeps a running Job's Pod from working, or the CronJob from creating Jobs."""
    cron_job = CRON_JOBS.ref(names.backup(snapshot.store.name))
    job = schedule.running(snapshot)
    if job is None:
        problem = pod_problems.creation_rejected(snapshot, cron_job, now)
    else:
        name = job["metadata"]["name"]
        pods = {JOB_NAME_LABELS[0]: name}
        problem = pod_problems.problem_of_pods(snapshot, pods, JOBS.ref(name), now)
    return problem if problem and problem.serious else None
