"""All conditions of a BookStore, computed in one place.

They follow the Kubernetes conventions and kstatus: Ready, Reconciling and Stalled are what tools
look at. Every message says what is waited for and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bookstore_operator import names
from bookstore_operator.build.common import COMPONENT_LABEL, Component, release_selector
from bookstore_operator.facts import history, pods
from bookstore_operator.facts.jobs import Ending, ending_of, result_of
from bookstore_operator.facts.objects import all_of, find, label
from bookstore_operator.facts.replicas import live_size
from bookstore_operator.gates.colour import all_available
from bookstore_operator.gates.database import database_ready
from bookstore_operator.gates.drain import switched
from bookstore_operator.gates.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.model.bookstore import Condition, ConditionStatus
from bookstore_operator.model.release import BookStoreRelease, StageName, Verdict
from bookstore_operator.plan import Manifest
from bookstore_operator.snapshot import Snapshot

AVAILABLE = "Available"
READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
DATABASE_MIGRATED = "DatabaseMigrated"
BACKUP_HEALTHY = "BackupHealthy"


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition but for its times."""

    type: str
    status: ConditionStatus
    reason: str
    message: str


def conditions(
    snapshot: Snapshot, answer: Answer, now: datetime, changes: int = 0
) -> tuple[Condition, ...]:
    """Return all conditions.

    `answer` is that of the gate where the newest release stands, `changes` how many objects are
    not as desired.
    """
    answer = hindrance(snapshot, answer, now)
    available = _available(snapshot, now)
    ready = _ready(snapshot, answer, available)
    findings = (
        available,
        ready,
        _reconciling(snapshot, answer, ready, changes),
        _stalled(answer),
        _database_migrated(snapshot, answer),
        _backup_healthy(snapshot),
    )
    return tuple(_dated(snapshot, finding, now) for finding in findings)


def transitions(before: Iterable[Condition], after: Iterable[Condition]) -> list[Condition]:
    """Return the conditions whose status has changed, or that hold from the beginning."""
    known = {condition.type: condition.status for condition in before}
    return [
        condition
        for condition in after
        if condition.status != known.get(condition.type, ConditionStatus.FALSE)
        and not (condition.type not in known and condition.status is ConditionStatus.UNKNOWN)
    ]


def _dated(snapshot: Snapshot, finding: Finding, now: datetime) -> Condition:
    """Date a finding: a condition's time is that of its last change of status."""
    since = now
    for before in snapshot.store.status.conditions:
        if before.type == finding.type and before.status is finding.status:
            since = before.last_transition_time
    return Condition(
        type=finding.type,
        status=finding.status,
        reason=finding.reason,
        message=finding.message,
        observed_generation=snapshot.store.metadata.generation,
        last_transition_time=since,
    )


def hindrance(snapshot: Snapshot, answer: Answer, now: datetime) -> Answer:
    """Return what hinders most: a refused write, the release's gate, or the database."""
    if snapshot.refusal:
        target = snapshot.refusal.target
        return Waiting(
            "ApplyRefused",
            f"The API server refuses {target.kind} {target.name}: {snapshot.refusal.message} "
            "It is tried again; mend the cause.",
            stalled=True,
        )
    return database_ready(snapshot, now) if isinstance(answer, Passed) else answer


def _available(snapshot: Snapshot, now: datetime) -> Finding:
    active = history.active(snapshot)
    if active is None:
        return _false(AVAILABLE, "NotPromoted", "No release has been promoted yet.")
    if not isinstance(switched(snapshot, now), Passed):
        return _false(AVAILABLE, "NotSwitched", "The active Service does not select what serves.")
    count = _status_of(snapshot, active).get("availableReplicas", 0)
    if count:
        told = f"Revision {active.spec.revision} ({active.spec.colour.value}) serves users."
        return _true(AVAILABLE, "Serving", told)
    if live_size(snapshot) == 0:
        return _false(AVAILABLE, "ScaledToZero", "spec.replicas is 0: nothing serves.")
    trouble = pods.trouble(snapshot, release_selector(active))
    return _false(
        AVAILABLE, "NoPodAvailable", f"No Pod of the active colour is available.{trouble}"
    )


def _ready(snapshot: Snapshot, answer: Answer, available: Finding) -> Finding:
    active = history.active(snapshot)
    if not isinstance(answer, Passed) and not _only_drains(answer):
        return _false(READY, answer.reason, answer.message)
    if active is None or not history.wants(snapshot, active):
        word = "Paused" if snapshot.store.spec.paused else "Releasing"
        return _false(READY, word, "What the BookStore asks for is not released yet.")
    if available.status is not ConditionStatus.TRUE and live_size(snapshot):
        return _false(READY, available.reason, available.message)
    deployment = _deployment(snapshot, active)
    wanted = live_size(snapshot)
    if deployment is None or not all_available(deployment, wanted):
        count = _status_of(snapshot, active).get("availableReplicas", 0)
        trouble = pods.trouble(snapshot, release_selector(active))
        return _false(READY, "Scaling", f"{count} of {wanted} Pods are available.{trouble}")
    return _true(READY, "Serving", f"Revision {active.spec.revision} serves, all is as asked for.")


def _only_drains(answer: Answer) -> bool:
    """Whether only the old colour is left to wait for: what was asked for serves."""
    return isinstance(answer, Waiting) and answer.reason == "Draining"


def _reconciling(snapshot: Snapshot, answer: Answer, ready: Finding, changes: int) -> Finding:
    if snapshot.store.spec.paused:
        told = "spec.paused is true: nothing but status is written."
        return _false(RECONCILING, "Paused", told)
    if isinstance(answer, Failed) or (isinstance(answer, Waiting) and answer.stalled):
        return _false(RECONCILING, answer.reason, "Nothing goes on: see Stalled.")
    if isinstance(answer, Waiting):
        return _true(RECONCILING, answer.reason, answer.message)
    if ready.status is not ConditionStatus.TRUE:
        return _true(RECONCILING, ready.reason, ready.message)
    if changes:
        return _true(RECONCILING, "Updating", "Objects are brought to what is asked for.")
    return _false(RECONCILING, "Settled", "All is as asked for.")


def _stalled(answer: Answer) -> Finding:
    if isinstance(answer, Failed) or (isinstance(answer, Waiting) and answer.stalled):
        return _true(STALLED, answer.reason, answer.message)
    return _false(STALLED, "NotStalled", "Nothing needs help.")


def _database_migrated(snapshot: Snapshot, answer: Answer) -> Finding:
    active, release = history.active(snapshot), history.newest(snapshot)
    if active and history.wants(snapshot, active):
        release = active
    if release is None:
        return _unknown(DATABASE_MIGRATED, "NoRelease", "No release has begun yet.")
    if release.status.stage not in (None, StageName.EXPAND):
        newest = ", ".join(release.status.schema_revisions[-1:]) or "what the image brings"
        return _true(DATABASE_MIGRATED, "Migrated", f"The schema is at {newest}.")
    if release.status.verdict is Verdict.FAILED:
        return _false(DATABASE_MIGRATED, release.status.reason, release.status.message)
    message = "" if isinstance(answer, Passed) else answer.message
    return _false(DATABASE_MIGRATED, "Migrating", message or "The schema is not migrated yet.")


def _backup_healthy(snapshot: Snapshot) -> Finding:
    backup = snapshot.store.spec.backup
    if backup is None:
        told = "Nothing is backed up: set spec.backup.schedule."
        return _unknown(BACKUP_HEALTHY, "NotConfigured", told)
    last = _last_backup(snapshot)
    if last and ending_of(last) is Ending.FAILED:
        name = last["metadata"]["name"]
        why = result_of(snapshot, last).get("message") or "see the log of its Pod."
        return _false(BACKUP_HEALTHY, "BackupFailed", f"The last backup (Job {name}) failed: {why}")
    if backup.suspend:
        told = "No further backups: spec.backup.suspend is true."
        return _unknown(BACKUP_HEALTHY, "Suspended", told)
    succeeded = last_backup_at(snapshot)
    if last is None and succeeded is None:
        told = f"Waiting for the first backup ({backup.schedule})."
        return _unknown(BACKUP_HEALTHY, "NoBackupYet", told)
    return _true(BACKUP_HEALTHY, "BackedUp", "The last backup succeeded.")


def last_backup_at(snapshot: Snapshot) -> str | None:
    """Return when a backup last succeeded."""
    cron_job = find(snapshot, "CronJob", names.backup(snapshot.store.name)) or {}
    at: str | None = cron_job.get("status", {}).get("lastSuccessfulTime")
    return at


def _last_backup(snapshot: Snapshot) -> Manifest | None:
    """Return the last backup Job that has ended."""
    ended = [
        job
        for job in all_of(snapshot, "Job")
        if label(job, COMPONENT_LABEL) == Component.BACKUP.value
        and ending_of(job) is not Ending.RUNNING
    ]
    return max(ended, key=lambda job: str(job["metadata"].get("creationTimestamp")), default=None)


def _deployment(snapshot: Snapshot, release: BookStoreRelease) -> Manifest | None:
    name = names.deployment(snapshot.store.name, release.spec.colour)
    return find(snapshot, "Deployment", name)


def _status_of(snapshot: Snapshot, release: BookStoreRelease) -> Manifest:
    status: Manifest = (_deployment(snapshot, release) or {}).get("status", {})
    return status


def _true(kind: str, reason: str, message: str) -> Finding:
    return Finding(kind, ConditionStatus.TRUE, reason, message)


def _false(kind: str, reason: str, message: str) -> Finding:
    return Finding(kind, ConditionStatus.FALSE, reason, message)


def _unknown(kind: str, reason: str, message: str) -> Finding:
    return Finding(kind, ConditionStatus.UNKNOWN, reason, message)
