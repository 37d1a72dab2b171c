"""The drills: how each has ended, by its Job and the containers of its Pod, and if one is overdue.

The tool, in an init container, says what it restored and how long that took. The main container
asks the image that serves whether its code works on that. Both are read while the Job is kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bookstore_operator.components.backup.manifests import STARTING_DEADLINE
from bookstore_operator.components.backup.schedule import SLACK
from bookstore_operator.core import contract, names
from bookstore_operator.core.kinds import CRON_JOBS, JOBS
from bookstore_operator.core.labels import COMPONENT_LABEL, DRILL_CONTAINER, Component
from bookstore_operator.core.lookup import all_of, find, find_condition, label, owned_by
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.spec.backup_target import is_backup_name
from bookstore_operator.crd.status import DrillResult, LastDrill
from bookstore_operator.crd.text import QUOTE_LENGTH, fit
from bookstore_operator.workloads import termination
from bookstore_operator.workloads.cron import due_after
from bookstore_operator.workloads.jobs import (
    Ending,
    ended_at,
    ending_of,
    init_terminated,
    main_terminated,
    pods_of,
)

_LOST = frozenset({"damaged", "content-differs"})
_NOTHING = frozenset({"not-found", "no-manifest"})
"""Codes of a drill that has no backup to restore: none yet, or only dumps of an older operator."""
_UNREAD = "Its Pod was deleted before what it measured was read."
_WORKS = frozenset({contract.CURRENT, contract.AHEAD})


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill that has ended."""

    job: str
    ended_at: datetime
    result: DrillResult
    message: str
    backup: str = ""
    """The name of the backup in its target; empty if it is unknown."""
    restored: bool = False
    """Whether the tool found what it restored to be what was backed up."""
    recovery_time: float | None = None
    recovery_point: float | None = None
    """In seconds."""


def drill_jobs(snapshot: Snapshot) -> list[Manifest]:
    """Return the Jobs of the CronJob of drills, oldest first, also those made by hand from it."""
    cron_job = find(snapshot, CRON_JOBS, names.drill(snapshot.store.name))
    uid = cron_job["metadata"].get("uid") if cron_job else None
    jobs = (
        job
        for job in all_of(snapshot, JOBS)
        if label(job, COMPONENT_LABEL) == Component.DRILL and uid and owned_by(job, uid)
    )
    return sorted(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp")))


def running_drill(snapshot: Snapshot) -> Manifest | None:
    """Return the newest Job of a drill that has not ended; None if there is none."""
    jobs = [job for job in drill_jobs(snapshot) if ending_of(snapshot, job) is Ending.RUNNING]
    return jobs[-1] if jobs else None


def ended_drills(snapshot: Snapshot) -> list[Drill]:
    """Return the drills that have ended and whose Jobs are kept, by when they ended."""
    return sorted(_ended(snapshot), key=lambda drill: (drill.ended_at, drill.job))


def last_drill(snapshot: Snapshot) -> LastDrill | None:
    """Return the last drill that has ended, from its Job or, if that is gone, as it was reported.

    Nothing is decided by it; people and alerts read it.
    """
    backup, reported = snapshot.store.spec.backup, snapshot.store.status.last_drill
    if backup is None or backup.drill is None:
        return None
    last = reported
    for drill in ended_drills(snapshot):
        # What was read of a Job stays: its Pod may be gone since.
        if last is None or (drill.job != last.job and drill.ended_at >= last.ended_at):
            last = _described(drill, last)
    return last


def overdue_at(snapshot: Snapshot) -> datetime | None:
    """Return when the next drill is overdue: its time to start and to run is over; None if never.

    A Job that was deleted before its result was read counts as none.
    """
    backup = snapshot.store.spec.backup
    cron_job = find(snapshot, CRON_JOBS, names.drill(snapshot.store.name))
    if backup is None or backup.drill is None or backup.suspend or cron_job is None:
        return None
    created = cron_job["metadata"].get("creationTimestamp")
    last = last_drill(snapshot)
    since = last.ended_at if last else parse_time(created) if created else None
    due = since and due_after(backup.drill.schedule, since, backup.time_zone)
    return due and due + timedelta(seconds=STARTING_DEADLINE + backup.drill.timeout_seconds) + SLACK


# Results ----------------------------------------------------------------------------------------


def _ended(snapshot: Snapshot) -> Iterator[Drill]:
    for job in drill_jobs(snapshot):
        at, ending = ended_at(snapshot, job), ending_of(snapshot, job)
        pod = next(reversed(list(pods_of(snapshot, job))), None)
        if at and ending is not Ending.RUNNING:
            yield _drill(job, pod, at, ending)


def _drill(job: Manifest, pod: Manifest | None, at: datetime, ending: Ending) -> Drill:
    """Return how a drill has ended."""
    name = str(job["metadata"]["name"])
    restored = init_terminated(pod, DRILL_CONTAINER) if pod else None
    if pod is None and ending is Ending.SUCCEEDED:
        return Drill(name, at, DrillResult.SUCCEEDED, _UNREAD)
    if pod is None or restored is None:
        return Drill(name, at, DrillResult.FAILED, _why_ended(job, pod))
    said = _said(restored)
    code, message = str(said.get("code") or ""), _text(said)
    backup = said.get("name")
    known = backup if isinstance(backup, str) and is_backup_name(backup) else ""
    if restored.get("exitCode") != 0:
        result = DrillResult.DAMAGED if code in _LOST else DrillResult.FAILED
        result = DrillResult.NO_BACKUP if code in _NOTHING else result
        return Drill(name, at, result, message or _why_ended(job, pod), known)
    result, checked = _checked(job, pod)
    return Drill(
        *(name, at, result),
        fit(f"{message} {checked}", 2 * QUOTE_LENGTH),
        *(known, True, _seconds(said, "recoveryTimeSeconds")),
        _seconds(said, "recoveryPointSeconds"),
    )


def _checked(job: Manifest, pod: Manifest) -> tuple[DrillResult, str]:
    """Return what the image that serves says of the restored schema.

    An older schema is none of its faults: the backup was taken before the last migration, which
    the release after a restore carries out.
    """
    ended = main_terminated(pod)
    if ended is None:
        return DrillResult.FAILED, f"The check of its schema: {_why_ended(job, pod)}"
    outcome = contract.read_outcome(_said(ended))
    if outcome.code in _WORKS and ended.get("exitCode") == 0:
        return DrillResult.SUCCEEDED, "The code that serves works on it."
    if outcome.code == contract.BEHIND:
        return DrillResult.SUCCEEDED, "A release migrates its schema first, which is older."
    said = outcome.message or f"exit code {ended.get('exitCode', 'unknown')} and no message"
    return DrillResult.FAILED, f"But the code that serves does not work on it: {said}"


def _why_ended(job: Manifest, pod: Manifest | None) -> str:
    """Return why a drill ended whose containers do not say so, and what to do."""
    status = (pod or {}).get("status") or {}
    if status.get("reason") == "Evicted":
        cause = fit(str(status.get("message") or "no details given"), QUOTE_LENGTH)
        todo = "Raise spec.backup.drill.size if it was too small."
        return f"Its Pod was evicted: {cause.rstrip('.')}. {todo}"
    failed = find_condition(job, "Failed")
    if failed.get("reason") == "DeadlineExceeded":
        limit = job["spec"].get("activeDeadlineSeconds")
        return f"It did not end within {limit} s (spec.backup.drill.timeoutSeconds)."
    cause = f"{failed.get('reason', '')}: {failed.get('message', '')}".strip(": ").rstrip(".")
    name = job["metadata"]["name"]
    return f"{cause or 'It ended without a result'}. See kubectl describe job {name}."


def _said(ended: Manifest) -> dict[str, Any]:
    message = ended.get("message")
    return termination.result(str(message)) if message else {}


def _text(said: Mapping[str, Any]) -> str:
    return fit(str(said.get("message") or ""), QUOTE_LENGTH)


def _seconds(said: Mapping[str, Any], key: str) -> float | None:
    value = said.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e12 else None


def _described(drill: Drill, before: LastDrill | None) -> LastDrill:
    succeeded = drill.result is DrillResult.SUCCEEDED
    return LastDrill(
        job=drill.job,
        result=drill.result.value,
        message=drill.message,
        ended_at=drill.ended_at,
        backup=drill.backup,
        recovery_time_seconds=drill.recovery_time,
        recovery_point_seconds=drill.recovery_point,
        succeeded_at=drill.ended_at if succeeded else before.succeeded_at if before else None,
    )
