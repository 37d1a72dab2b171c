"""Whether the database is backed up."""

from bookstore_operator.components.backup import schedule
from bookstore_operator.core import names
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.gate import Answer
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.status import BACKUP_HEALTHY
from bookstore_operator.workloads import pod_problems
from bookstore_operator.workloads.jobs import Ending, ending_of, result_of
from bookstore_operator.workloads.termination import volume_full


def backup_healthy(snapshot: Snapshot, visit: Visit, _answer: Answer) -> Finding:
    """Return the BackupHealthy condition: whether the last backup succeeded in time."""
    backup = snapshot.store.spec.backup
    if backup is None:
        message = "Nothing is backed up: set spec.backup.schedule."
        return unknown(BACKUP_HEALTHY, Reason.NOT_CONFIGURED, message)
    last = next(reversed(schedule.ended(snapshot)), None)
    if last and ending_of(last) is Ending.FAILED:
        name = last["metadata"]["name"]
        why = result_of(snapshot, last).get("message") or "see the log of its Pod."
        message = f"The last backup (Job {name}) failed: {why}"
        if volume_full(message):
            advice = pod_problems.full_volume_advice(names.backup(snapshot.store.name))
            message = f"{message} {advice}"
        return fails(BACKUP_HEALTHY, Reason.BACKUP_FAILED, message)
    if backup.suspend:
        message = "Backups are suspended: spec.backup.suspend is true."
        return unknown(BACKUP_HEALTHY, Reason.SUSPENDED, message)
    if overdue := schedule.overdue(snapshot, visit.now):
        return fails(BACKUP_HEALTHY, Reason.BACKUP_OVERDUE, overdue)
    if last is None and schedule.last_success(snapshot) is None:
        message = f"Waiting for the first backup ({backup.schedule})."
        return unknown(BACKUP_HEALTHY, Reason.NO_BACKUP_YET, message)
    return holds(BACKUP_HEALTHY, Reason.BACKED_UP, "The last backup succeeded.")
