"""The backups that have succeeded, by their Jobs and by the records of those that are gone.

What counts is when a backup began: it has all that was written before, and not what was written
while it ran.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bookstore_operator.components.backup import schedule
from bookstore_operator.components.backup.codes import advice
from bookstore_operator.components.database.identity import identity_of
from bookstore_operator.components.database.servers import serving_database
from bookstore_operator.core import names
from bookstore_operator.core.lookup import find_condition
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backup import BackupPhase
from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.spec.backup_target import BACKUP_NAME
from bookstore_operator.crd.text import fit
from bookstore_operator.workloads.jobs import Ending, ended_at, ending_of, result_of
from bookstore_operator.workloads.termination import volume_full

INTERRUPTED = "interrupted"
"""The tool's code for SIGTERM, which a Job's deadline sends: the Job has the better reason."""
MESSAGE_LENGTH = 1000
"""The most characters of why a backup failed."""


@dataclass(frozen=True, slots=True)
class Success:
    """A backup that has succeeded."""

    job: str
    began_at: datetime
    ended_at: datetime
    database: str
    """The identity of the database that it is of; empty if it is unknown."""
    backup: str = ""
    """Its name in its target; empty if it is unknown."""

    @property
    def described(self) -> str:
        """How messages name it."""
        return f"{self.backup} (Job {self.job})" if self.backup else f"Job {self.job}"


def newest_success(snapshot: Snapshot, since: datetime | None = None) -> Success | None:
    """Return the newest backup of the current database that began at or after a time.

    One that was found damaged is none.
    """
    return max(successes(snapshot, since), key=lambda s: (s.began_at, s.job), default=None)


def newest_verified(snapshot: Snapshot, since: datetime) -> Success | None:
    """Return the newest such backup that a record says is verified."""
    verified = (s for s in successes(snapshot, since) if _is_verified(snapshot, s))
    return max(verified, key=lambda s: (s.began_at, s.job), default=None)


def successes(snapshot: Snapshot, since: datetime | None) -> Iterator[Success]:
    """Yield the backups of the database that users write to that began at or after a time."""
    current = identity_of(snapshot, serving_database(snapshot))
    for success in (*of_jobs(snapshot), *recorded(snapshot)):
        if current and success.database not in {"", current}:
            continue
        if since is not None and success.began_at < since:
            continue
        if BackupPhase.DAMAGED not in _phases(snapshot, success):
            yield success


def _is_verified(snapshot: Snapshot, success: Success) -> bool:
    return BackupPhase.VERIFIED in _phases(snapshot, success)


def _phases(snapshot: Snapshot, success: Success) -> set[BackupPhase | None]:
    """Return what the records of a backup say of it; of one backup there may be several."""
    return {
        record.status.phase
        for record in snapshot.backups
        if record.spec.store_name == snapshot.store.name
        if success.backup and record.status.backup == success.backup
    }


def began_at(job: Manifest) -> datetime:
    """Return when a backup Job began: a suspended one begins when it is resumed."""
    started = (job.get("status") or {}).get("startTime")
    return parse_time(started or job["metadata"]["creationTimestamp"])


def why_failed(snapshot: Snapshot, job: Manifest) -> str:
    """Return why a backup Job failed, and what to do."""
    result = result_of(snapshot, job)
    code = str(result.get("code") or "")
    cause = str(result.get("message") or "")
    if not cause or code == INTERRUPTED:
        cause = _cause(job)
    if volume_full(cause):
        code = "disk-full"
    return fit(f"{cause.rstrip('.')}. {advice(snapshot.store, code)}".strip(), MESSAGE_LENGTH)


def _cause(job: Manifest) -> str:
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
            backup = backup_name(result_of(snapshot, job))
            yield Success(name, began, ended, schedule.database_of_job(job), backup)


def backup_name(result: Mapping[str, Any]) -> str:
    """Return the name of the backup that a result of the tool is about; empty if there is none."""
    backup = result.get("backup")
    name = backup.get("name") if isinstance(backup, Mapping) else None
    return name if isinstance(name, str) and re.match(BACKUP_NAME, name) else ""


def recorded(snapshot: Snapshot) -> Iterator[Success]:
    """Yield the backups that releases have recorded."""
    for release in snapshot.releases:
        if last := release.status.last_backup:
            yield Success(last.job, last.started_at, last.ended_at, last.database, last.backup)
        own = release.status.backup
        if own and own.succeeded and own.started_at and own.ended_at:
            name = names.release_backup(release.name, own.attempt)
            yield Success(name, own.started_at, own.ended_at, own.database, own.backup)
