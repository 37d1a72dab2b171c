"""When backups succeeded, and when the next one was due.

The CronJob tells when it last began a Job and when one last succeeded, not when it should have: a
schedule that stops silently shows only when the schedule itself is asked. Observed times would give
its period only where it is even, and `0 3 * * 1-5` is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

from bookstore_operator.components.backup.manifests import STARTING_DEADLINE
from bookstore_operator.core import names
from bookstore_operator.core.kinds import CRON_JOBS, JOBS
from bookstore_operator.core.labels import COMPONENT_LABEL, Component
from bookstore_operator.core.lookup import all_of, find, label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.workloads.jobs import Ending, ending_of

ALIASES: Mapping[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
SLACK = timedelta(minutes=1)
"""How long controllers may take to tell of a backup."""
_MINUTE = "%Y-%m-%d %H:%M UTC"


def ended(snapshot: Snapshot) -> list[Manifest]:
    """Return the backup Jobs that have ended, oldest first."""
    jobs = (job for job in _jobs(snapshot) if ending_of(job) is not Ending.RUNNING)
    return sorted(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp")))


def last_success(snapshot: Snapshot) -> datetime | None:
    """Return when a backup last succeeded, by the CronJob or, where that is behind, by a Job."""
    told = [_cron_job(snapshot).get("status", {}).get("lastSuccessfulTime")]
    told += [job["status"].get("completionTime") for job in _jobs(snapshot) if _succeeded(job)]
    return max((datetime.fromisoformat(each) for each in told if each), default=None)


def overdue(snapshot: Snapshot, now: datetime) -> str | None:
    """Return what to say when a backup is missing: due, and its time to start and to run is over.

    A schedule that was changed or resumed is judged as if it had always been so.
    """
    backup = snapshot.store.spec.backup
    created = _cron_job(snapshot).get("metadata", {}).get("creationTimestamp")
    if backup is None or created is None:
        return None
    succeeded = last_success(snapshot)
    due = due_after(backup.schedule, succeeded or datetime.fromisoformat(created))
    allowed = timedelta(seconds=STARTING_DEADLINE + backup.timeout_seconds) + SLACK
    if due is None or now <= due + allowed:
        return None
    name = names.backup(snapshot.store.name)
    told = (
        f"The last backup succeeded at {succeeded:{_MINUTE}}, and the next"
        if succeeded
        else "No backup has succeeded yet, and the first"
    )
    return (
        f"{told} was due at {due:{_MINUTE}} ({backup.schedule}). See why its CronJob starts no "
        f"Job: kubectl describe cronjob {name}. To back up now: "
        f"kubectl create job {name}-now --from=cronjob/{name}."
    )


def due_after(schedule: str, moment: datetime) -> datetime | None:
    """Return the first time of a schedule after a moment in UTC; None if there is none."""
    line = ALIASES.get(schedule, schedule).replace("?", "*")
    try:
        return next(CronSim(line, moment), None)
    except CronSimError:
        return None  # the API server has the last word about a schedule


def _cron_job(snapshot: Snapshot) -> Manifest:
    return find(snapshot, CRON_JOBS, names.backup(snapshot.store.name)) or {}


def _jobs(snapshot: Snapshot) -> Iterator[Manifest]:
    for job in all_of(snapshot, JOBS):
        if label(job, COMPONENT_LABEL) == Component.BACKUP.value:
            yield job


def _succeeded(job: Manifest) -> bool:
    return ending_of(job) is Ending.SUCCEEDED
