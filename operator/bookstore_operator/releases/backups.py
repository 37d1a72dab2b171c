"""Record the last backup, and end backups that only containers of others keep running."""

from collections.abc import Iterator

from bookstore_operator.components.backup.runs import of_jobs, recorded
from bookstore_operator.components.backup.schedule import backup_jobs
from bookstore_operator.core import history
from bookstore_operator.core.ensure import ensure_absent
from bookstore_operator.core.plan import Action
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backups import LastBackup
from bookstore_operator.workloads.jobs import (
    Ending,
    ending_of,
    is_kept_running,
    main_terminated,
    pods_of,
)


def record_last_backup(snapshot: Snapshot) -> Snapshot:
    """Record the newest backup with the release that serves: its Job can be deleted by anybody."""
    active = history.active(snapshot)
    newest = max(of_jobs(snapshot), key=lambda success: success.began_at, default=None)
    if active is None or newest is None:
        return snapshot
    known = active.status.last_backup
    if known and known.started_at >= newest.began_at:
        return snapshot
    last = LastBackup(
        job=newest.job,
        database=newest.database[:63],
        started_at=newest.began_at,
        ended_at=newest.ended_at,
        backup=newest.backup,
    )
    return update_status(snapshot, active, last_backup=last)


def end_kept_backups(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the end of backups that have ended but for a container that somebody else added.

    One that succeeded is deleted once that is recorded. Of one that failed, the Pod is deleted: its
    Job then tries again, or fails.
    """
    known = {success.job for success in recorded(snapshot)}
    for job in backup_jobs(snapshot):
        if not is_kept_running(snapshot, job):
            continue
        if ending_of(snapshot, job) is Ending.SUCCEEDED:
            if job["metadata"]["name"] in known:
                yield from ensure_absent(job, "only containers of others still run.")
            continue
        for pod in pods_of(snapshot, job):
            if main_terminated(pod):
                yield from ensure_absent(pod, "its backup failed, and only others still run in it.")
