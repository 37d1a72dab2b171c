"""End the Jobs of a release that is no longer wanted, before the release ends.

A Job whose Pod never ran has changed nothing: it is deleted at once, so that a typo in an image
blocks nothing. A migration that may have touched the database is never cut short.
"""

from bookstore_operator.components.backup.schedule import backup_jobs
from bookstore_operator.core.gate import Passed, Waiting
from bookstore_operator.core.lookup import owned_by
from bookstore_operator.core.plan import Delete, Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.attempts import is_running
from bookstore_operator.releases.migrations import held_back, migrations_of
from bookstore_operator.releases.progress import Progress
from bookstore_operator.workloads.jobs import Ending, ending_of
from bookstore_operator.workloads.stuck import cancel_job, never_ran

CANCELLED = "It was cancelled before its Pod ran: the release was no longer wanted."


def end_jobs(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Cancel what a release in progress can leave undone; Passed once nothing of it runs.

    The release ends on a later visit, when its Jobs are gone: if a Pod starts just before its Job
    is to be deleted, the API server rejects that, and the migration is waited for.
    """
    migrations = migrations_of(snapshot, release) if release.in_flight else ()
    running = [m.job for m in migrations if m.ending is Ending.RUNNING]
    if backups := _running_backups(snapshot, release):
        message = f"Cancelling the backup before the migration: {release.name} ends."
        return Progress(snapshot, Waiting(Reason.BACKING_UP, message), backups)
    if not running:
        return Progress(_record_cancelled(snapshot, release, visit), Passed())
    if started := [job for job in running if not never_ran(snapshot, job)]:
        waiting = held_back(started[-1]) or _wait(release, started[-1])
        return Progress(snapshot, waiting)
    name = running[-1]["metadata"]["name"]
    message = f"Cancelling migration Job {name}, whose Pod never ran: {release.name} ends."
    cancels = tuple(_cancel(snapshot, job) for job in running if not _is_being_deleted(job))
    return Progress(snapshot, Waiting(Reason.MIGRATING, message), cancels)


def _running_backups(snapshot: Snapshot, release: BookStoreRelease) -> tuple[Delete, ...]:
    """Return the end of the release's backup, which only reads and may end at any time."""
    return tuple(
        cancel_job(snapshot, job, "the release is no longer wanted.")
        for job in backup_jobs(snapshot)
        if release.in_flight and owned_by(job, release.metadata.uid)
        if ending_of(snapshot, job) is Ending.RUNNING and not _is_being_deleted(job)
    )


def _wait(release: BookStoreRelease, job: Manifest) -> Waiting:
    return Waiting(
        Reason.MIGRATING,
        f"Waiting for migration Job {job['metadata']['name']} before {release.name} ends: a "
        "running migration is not interrupted.",
    )


def _cancel(snapshot: Snapshot, job: Manifest) -> Delete:
    return cancel_job(snapshot, job, "its Pod never ran, and the release is no longer wanted.")


def _is_being_deleted(job: Manifest) -> bool:
    return bool(job["metadata"].get("deletionTimestamp"))


def _record_cancelled(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Snapshot:
    last = release.status.last_attempt
    if last is None or not release.in_flight or not is_running(release):
        return snapshot
    if migrations_of(snapshot, release):  # its result is in the Job
        return snapshot
    ended = last.model_copy(update={"ended_at": visit.now, "message": CANCELLED})
    return update_status(snapshot, release, last_attempt=ended)
