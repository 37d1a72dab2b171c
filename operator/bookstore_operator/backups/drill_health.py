"""Whether drills prove the backups: what is wrong with the last one, or with the next."""

from datetime import datetime

from bookstore_operator.components.backup.drills import last_drill, overdue_at, running_drill
from bookstore_operator.core import names
from bookstore_operator.core.finding import Finding, fails
from bookstore_operator.core.kinds import CRON_JOBS, JOBS
from bookstore_operator.core.labels import JOB_NAME_LABELS
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.status import BACKUP_HEALTHY, DrillResult, LastDrill
from bookstore_operator.workloads import pod_problems
from bookstore_operator.workloads.pod_causes import PodProblem

_BAD_DRILLS = frozenset({DrillResult.DAMAGED.value, DrillResult.FAILED.value})
_MINUTE = "%Y-%m-%d %H:%M UTC"


def drill_problem(snapshot: Snapshot, now: datetime) -> Finding | None:
    """Return why restores are not proven: a drill that failed, can't start or is overdue."""
    last, due = last_drill(snapshot), overdue_at(snapshot)
    if last and last.result in _BAD_DRILLS:
        message = f"The last drill (Job {last.job}) failed: {last.message} {_todo(snapshot, last)}"
        return fails(BACKUP_HEALTHY, Reason.DRILL_FAILED, message.strip())
    if problem := _starting_problem(snapshot, now):
        message = f"The drill does not start: {problem.message}"
        return fails(BACKUP_HEALTHY, Reason.DRILL_FAILED, message)
    if due and now >= due and running_drill(snapshot) is None:
        return fails(BACKUP_HEALTHY, Reason.DRILL_OVERDUE, _overdue(snapshot, last, due))
    return None


def _starting_problem(snapshot: Snapshot, now: datetime) -> PodProblem | None:
    """Return what keeps a drill's Pod from working, or its CronJob from creating Jobs."""
    job, key = running_drill(snapshot), CRON_JOBS.ref(names.drill(snapshot.store.name))
    if job is None:
        problem = pod_problems.creation_rejected(snapshot, key, now)
    else:
        name = job["metadata"]["name"]
        pods = {JOB_NAME_LABELS[0]: name}
        problem = pod_problems.problem_of_pods(snapshot, pods, JOBS.ref(name), now)
    return problem if problem and problem.serious else None


def _todo(snapshot: Snapshot, last: LastDrill) -> str:
    again = f"kubectl bookstore drill {snapshot.store.name} --wait"
    if last.result == DrillResult.DAMAGED:
        return (
            f"Take another backup: kubectl bookstore backup {snapshot.store.name} --wait. Then "
            f"{again}, and find out what changed the volume or the bucket."
        )
    return f"When the cause is gone: {again}."


def _overdue(snapshot: Snapshot, last: LastDrill | None, due: datetime) -> str:
    name = names.drill(snapshot.store.name)
    history = f"The last drill ended at {last.ended_at:{_MINUTE}}" if last else "No drill has ended"
    return (
        f"{history}, and the next was to end by {due:{_MINUTE}}. See why its CronJob starts no "
        f"Job, or what deletes its Jobs: kubectl describe cronjob {name}. To do it now: kubectl "
        f"bookstore drill {snapshot.store.name} --wait."
    )


def describe_drill(snapshot: Snapshot) -> str:
    """Return what the last drill measured, as a sentence; empty if there was none."""
    last = last_drill(snapshot)
    if last is None or last.recovery_time_seconds is None:
        return ""
    took, at = last.recovery_time_seconds, last.ended_at
    return f" A drill restored {last.backup} in {took:.0f} s at {at:{_MINUTE}}."
