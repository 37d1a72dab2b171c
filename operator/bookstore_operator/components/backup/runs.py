"""The backups that have succeeded, by their Jobs and by the records of those that are gone.

What counts is when a backup began: it has all that was written before, and not what was written
while it ran.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bookstore_operator.components.backup import schedule
from bookstore_operator.components.database.identity import database_identity
from bookstore_operator.core import names
from bookstore_operator.core.lookup import find_condition
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import parse_time
from bookstore_operator.workloads.jobs import Ending, ended_at, ending_of, result_of
from bookstore_operator.workloads.pod_problems import full_volume_advice
from bookstore_operator.workloads.termination import volume_full


@dataclass(frozen=True, slots=True)
class Success:
    """A backup that has succeeded."""

    job: str
    began_at: datetime
    ended_at: datetime
    database: str
    """The identity of the database that it is of; empty if it is unknown."""


def newest_success(snapshot: Snapshot, since: datetime | None = None) -> Success | None:
    """Return the newest backup of the current database that began at or after a time."""
    current = database_identity(snapshot)
    known = (*of_jobs(snapshot), *recorded(snapshot))
    valid = (s for s in known if not current or s.database in {"", current})
    recent = (s for s in valid if since is None or s.began_at >= since)
    return max(recent, key=lambda success: (success.began_at, success.job), default=None)


def began_at(job: Manifest) -> datetime:
    """Return when a backup Job began: a suspended one begins when it is resumed."""
    started = (job.get("status") or {}).get("startTime")
    return parse_time(started or job["metadata"]["creationTimestamp"])


def why_failed(snapshot: Snapshot, job: Manifest) -> str:
    """Return why a backup Job failed, and what to do."""
    text = _cause(snapshot, job)
    if volume_full(text):
        return f"{text} {full_volume_advice(names.backup(snapshot.store.name))}"
    return text


def _cause(snapshot: Snapshot, job: Manifest) -> str:
    if message := result_of(snapshot, job).get("message"):
        return str(message)
    failed = find_condition(job, "Failed")
    if failed.get("reason") == "DeadlineExceeded":
        return (
            f"it did not complete within {job['spec'].get('activeDeadlineSeconds')} s "
            "(spec.backup.timeoutSeconds)."
        )
    cause = f"{failed.get('reason', '')}: {failed.get('message', '')}".strip(": ").rstrip(".")
    return f"{cause}. See the log of its Pod, if there is one." if cause else "see its Pod's log."


def of_jobs(snapshot: Snapshot) -> Iterator[Success]:
    """Yield the backups whose Jobs exist."""
    for job in schedule.backup_jobs(snapshot):
        if ending_of(snapshot, job) is Ending.SUCCEEDED:
            began = began_at(job)
            ended = ended_at(snapshot, job) or began
            name = job["metadata"]["name"]
            yield Success(name, began, ended, schedule.database_of_job(job))


def recorded(snapshot: Snapshot) -> Iterator[Success]:
    """Yield the backups that releases have recorded."""
    for release in snapshot.releases:
        if last := release.status.last_backup:
            yield Success(last.job, last.started_at, last.ended_at, last.database)
        own = release.status.backup
        if own and own.succeeded and own.started_at and own.ended_at:
            name = names.release_backup(release.name, own.attempt)
            yield Success(name, own.started_at, own.ended_at, own.database)
