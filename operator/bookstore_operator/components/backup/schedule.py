"""When backups succeeded, and when the next one was due.

A CronJob's status has the times of the last start and the last success, but not when the next one
was due. So a schedule that stops silently is detected from the schedule itself. Observed times do
not give its period: that of `0 3 * * 1-5` is not constant.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from bookstore_operator.components.backup.manifests import STARTING_DEADLINE
from bookstore_operator.core import names
from bookstore_operator.core.kinds import CRON_JOBS, JOBS
from bookstore_operator.core.labels import COMPONENT_LABEL, DATABASE_ANNOTATION, Component
from bookstore_operator.core.lookup import all_of, find, label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.spec.backup import Backup
from bookstore_operator.workloads.cron import due_after
from bookstore_operator.workloads.jobs import Ending, ended_at, ending_of

SLACK = timedelta(minutes=1)
"""How long Kubernetes' controllers may take to report a backup."""
_MINUTE = "%Y-%m-%d %H:%M UTC"


def ended(snapshot: Snapshot) -> list[Manifest]:
    """Return the backup Jobs that have ended, oldest first."""
    jobs = (job for job in backup_jobs(snapshot) if ending_of(snapshot, job) is not Ending.RUNNING)
    return sorted(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp")))


def running(snapshot: Snapshot) -> Manifest | None:
    """Return the newest backup Job that has not ended; None if there is none."""
    jobs = (job for job in backup_jobs(snapshot) if ending_of(snapshot, job) is Ending.RUNNING)
    return max(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp")), default=None)


def backup_now(name: str) -> str:
    """Return the command for a backup at once. Each needs another name: Jobs are kept."""
    return f"kubectl create job {name}-$(date +%s) --from=cronjob/{name}"


def last_success(snapshot: Snapshot) -> datetime | None:
    """Return when a backup last succeeded, by the CronJob, a Job or a record; None if none did."""
    by_cron_job = _cron_job(snapshot).get("status", {}).get("lastSuccessfulTime")
    times = [ended_at(snapshot, job) for job in backup_jobs(snapshot) if _succeeded(snapshot, job)]
    times += [parse_time(by_cron_job)] if by_cron_job else []
    times += [r.status.last_backup.ended_at for r in snapshot.releases if r.status.last_backup]
    return max((time for time in times if time), default=None)


def lost_run(snapshot: Snapshot, now: datetime) -> datetime | None:
    """Return when a backup was started whose Job is gone, and which did not succeed; else None.

    A policy may delete Jobs as soon as they have ended, whatever their history limits.
    """
    status = _cron_job(snapshot).get("status") or {}
    started = status.get("lastScheduleTime")
    if started is None or status.get("active"):
        return None
    moment = parse_time(started)
    succeeded = last_success(snapshot)
    seen = any(_created(job) >= moment for job in backup_jobs(snapshot))
    if seen or now < moment + SLACK or (succeeded and succeeded >= moment):
        return None
    return moment


def _created(job: Manifest) -> datetime:
    return parse_time(job["metadata"]["creationTimestamp"])


def overdue(snapshot: Snapshot, now: datetime) -> str | None:
    """Return a message if a backup is overdue: its time to start and to run is over; else None.

    A schedule that was changed or resumed counts as if it had always been set.
    """
    backup = snapshot.store.spec.backup
    created = _cron_job(snapshot).get("metadata", {}).get("creationTimestamp")
    if backup is None or created is None:
        return None
    succeeded = last_success(snapshot)
    since = succeeded or parse_time(created)
    due = due_after(backup.schedule, since, backup.time_zone)
    allowed = timedelta(seconds=STARTING_DEADLINE + backup.timeout_seconds) + SLACK
    if due is None or now <= due + allowed:
        return None
    name = names.backup(snapshot.store.name)
    history = (
        f"The last backup succeeded at {succeeded:{_MINUTE}}, and the next"
        if succeeded
        else "No backup has succeeded yet, and the first"
    )
    return (
        f"{history} was due at {due:{_MINUTE}} ({backup.schedule}{_zone(backup)}). See why "
        f"its CronJob starts no Job: kubectl describe cronjob {name}. To back up now: "
        f"{backup_now(name)}."
    )


def _zone(backup: Backup) -> str:
    return "" if backup.time_zone == "Etc/UTC" else f" in {backup.time_zone}"


def _cron_job(snapshot: Snapshot) -> Manifest:
    return find(snapshot, CRON_JOBS, names.backup(snapshot.store.name)) or {}


def database_of(cron_job: Manifest | None) -> str:
    """Return the identity of the database that a CronJob's Jobs back up; empty if unknown."""
    return database_of_job((cron_job or {}).get("spec", {}).get("jobTemplate") or {"metadata": {}})


def database_of_job(job: Manifest) -> str:
    """Return the identity of the database that a Job, or a template of one, backs up."""
    annotations: Mapping[str, str] = job["metadata"].get("annotations") or {}
    return annotations.get(DATABASE_ANNOTATION, "")


def backup_jobs(snapshot: Snapshot) -> Iterator[Manifest]:
    """Yield all backup Jobs, by name: of the CronJob, of releases, and those made by hand."""
    for job in all_of(snapshot, JOBS):
        if label(job, COMPONENT_LABEL) == Component.BACKUP.value:
            yield job


def _succeeded(snapshot: Snapshot, job: Manifest) -> bool:
    return ending_of(snapshot, job) is Ending.SUCCEEDED
