"""All conditions of a BookStore, computed in one place.

They follow the Kubernetes conventions and kstatus: Ready, Reconciling and Stalled are what tools
look at. Every message says what is waited for and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bookstore_operator.core import history, names
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.labels import Component, selector
from bookstore_operator.core.lookup import condition, find
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import PROBLEMS, Reason
from bookstore_operator.core.snapshot import Refusal, Snapshot
from bookstore_operator.crd.release import BookStoreRelease, StageName, Verdict
from bookstore_operator.crd.status import Condition, ConditionStatus
from bookstore_operator.facts import backups
from bookstore_operator.facts.replicas import live_size
from bookstore_operator.gates.colour import all_available, trouble_of
from bookstore_operator.gates.credentials import cache_known, own_cache_known, staff_known
from bookstore_operator.gates.database import database_ready
from bookstore_operator.gates.drain import switched
from bookstore_operator.workloads import pod_problems
from bookstore_operator.workloads.jobs import Ending, ending_of, result_of
from bookstore_operator.workloads.termination import volume_full

AVAILABLE = "Available"
READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
DATABASE_MIGRATED = "DatabaseMigrated"
BACKUP_HEALTHY = "BackupHealthy"
AUTOSCALING_HEALTHY = "AutoscalingHealthy"
CACHE_HEALTHY = "CacheHealthy"

TOLD_BY = frozenset({READY, CACHE_HEALTHY})
"""Whose problems are events: what the others name then is the same as Ready does."""

METRICS_PATIENCE = timedelta(minutes=1)
"""How long metrics of new Pods may take."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition but for its times."""

    type: str
    status: ConditionStatus
    reason: Reason
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
        _backup_healthy(snapshot, now),
        _autoscaling_healthy(snapshot, now),
        _cache_healthy(snapshot, now),
    )
    return tuple(_dated(snapshot, finding, now) for finding in findings)


def transitions(before: Iterable[Condition], after: Iterable[Condition]) -> list[Condition]:
    """Return the conditions of which there is something to tell.

    Their status has changed, they hold from the beginning, or there is a problem of a new kind.
    """
    known = {condition.type: condition for condition in before}
    return [condition for condition in after if _is_news(known.get(condition.type), condition)]


def _is_news(known: Condition | None, condition: Condition) -> bool:
    if known is None:
        return condition.status is ConditionStatus.TRUE or _is_problem(condition)
    if condition.status is not known.status:
        return True
    return _is_problem(condition) and condition.reason != known.reason


def _is_problem(condition: Condition) -> bool:
    return condition.type in TOLD_BY and condition.reason in PROBLEMS


def metrics_awaited(snapshot: Snapshot, now: datetime) -> datetime | None:
    """Return until when the autoscaler may go without metrics before that is a problem."""
    since = _without_metrics_since(snapshot)
    return since + METRICS_PATIENCE if since and now < since + METRICS_PATIENCE else None


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
    """Return what hinders most: a refused write, the release's gate, the database, the token."""
    if snapshot.refusal:
        return _refused(snapshot.refusal)
    for gate in (database_ready, staff_known):
        answer = gate(snapshot, now) if isinstance(answer, Passed) else answer
    return answer


def cache_secret_awaited(snapshot: Snapshot, now: datetime) -> datetime | None:
    """Return when to look again for a Secret of the cache that is not as it should be."""
    answer = _cache_secret(snapshot, now)
    return answer.until if isinstance(answer, Waiting) else None


def _refused(refusal: Refusal) -> Waiting:
    target, cause = refusal.target, refusal.message.rstrip(".")
    told = f"The API server refuses {target.kind} {target.name}: {cause}."
    if refusal.reason == Reason.NAME_TAKEN:
        return Waiting(Reason.NAME_TAKEN, f"{refusal.message} It is tried again.", stalled=True)
    if "exceeded quota" in cause:
        todo = "Raise the quota, or ask for less. It is tried again."
        return Waiting(Reason.QUOTA_EXCEEDED, f"{told} {todo}", stalled=True)
    return Waiting(Reason.APPLY_REFUSED, f"{told} It is tried again; mend the cause.", stalled=True)


def _available(snapshot: Snapshot, now: datetime) -> Finding:
    active = history.active(snapshot)
    if active is None:
        return _false(AVAILABLE, Reason.NOT_PROMOTED, "No release has been promoted yet.")
    if not isinstance(switched(snapshot, now), Passed):
        return _false(
            AVAILABLE, Reason.NOT_SWITCHED, "The active Service does not select what serves."
        )
    count = _status_of(snapshot, active).get("availableReplicas", 0)
    if count:
        told = f"Revision {active.spec.revision} ({active.spec.colour.value}) serves users."
        return _true(AVAILABLE, Reason.SERVING, told)
    if live_size(snapshot) == 0:
        return _false(AVAILABLE, Reason.SCALED_TO_ZERO, "spec.replicas is 0: nothing serves.")
    told = "No Pod of the active colour is available."
    trouble = trouble_of(snapshot, active)
    reason = pod_problems.serious_or(Reason.NO_POD_AVAILABLE, trouble)
    return _false(AVAILABLE, reason, pod_problems.with_trouble(told, trouble))


def _ready(snapshot: Snapshot, answer: Answer, available: Finding) -> Finding:
    active = history.active(snapshot)
    if not isinstance(answer, Passed) and not _only_drains(answer):
        return _false(READY, answer.reason, answer.message)
    if active is None or not history.wants(snapshot, active):
        word = Reason.PAUSED if snapshot.store.spec.paused else Reason.RELEASING
        return _false(READY, word, "What the BookStore asks for is not released yet.")
    if available.status is not ConditionStatus.TRUE and live_size(snapshot):
        return _false(READY, available.reason, available.message)
    deployment = _deployment(snapshot, active)
    wanted = live_size(snapshot)
    if deployment is None or not all_available(deployment, wanted):
        count = _status_of(snapshot, active).get("availableReplicas", 0)
        trouble = trouble_of(snapshot, active)
        told = pod_problems.with_trouble(f"{count} of {wanted} Pods are available.", trouble)
        return _false(READY, pod_problems.serious_or(Reason.SCALING, trouble), told)
    return _true(
        READY, Reason.SERVING, f"Revision {active.spec.revision} serves, all is as asked for."
    )


def _only_drains(answer: Answer) -> bool:
    """Whether only the old colour is left to wait for: what was asked for serves."""
    return isinstance(answer, Waiting) and answer.reason is Reason.DRAINING


def _reconciling(snapshot: Snapshot, answer: Answer, ready: Finding, changes: int) -> Finding:
    if snapshot.store.spec.paused:
        told = "spec.paused is true: nothing but status is written."
        return _false(RECONCILING, Reason.PAUSED, told)
    if isinstance(answer, Failed) or (isinstance(answer, Waiting) and answer.stalled):
        return _false(RECONCILING, answer.reason, "Nothing goes on: see Stalled.")
    if isinstance(answer, Waiting):
        return _true(RECONCILING, answer.reason, answer.message)
    if ready.status is not ConditionStatus.TRUE:
        return _true(RECONCILING, ready.reason, ready.message)
    if changes:
        return _true(RECONCILING, Reason.UPDATING, "Objects are brought to what is asked for.")
    return _false(RECONCILING, Reason.SETTLED, "All is as asked for.")


def _stalled(answer: Answer) -> Finding:
    if isinstance(answer, Failed) or (isinstance(answer, Waiting) and answer.stalled):
        return _true(STALLED, answer.reason, answer.message)
    return _false(STALLED, Reason.NOT_STALLED, "Nothing needs help.")


def _database_migrated(snapshot: Snapshot, answer: Answer) -> Finding:
    active, release = history.active(snapshot), history.newest(snapshot)
    if active and history.wants(snapshot, active):
        release = active
    if release is None:
        return _unknown(DATABASE_MIGRATED, Reason.NO_RELEASE, "No release has begun yet.")
    if release.status.stage not in (None, StageName.EXPAND):
        newest = ", ".join(release.status.schema_revisions[-1:]) or "what the image brings"
        return _true(DATABASE_MIGRATED, Reason.MIGRATED, f"The schema is at {newest}.")
    if release.status.verdict is Verdict.FAILED:
        reason = Reason.of_record(release.status.reason)
        return _false(DATABASE_MIGRATED, reason, release.status.message)
    message = "" if isinstance(answer, Passed) else answer.message
    return _false(DATABASE_MIGRATED, Reason.MIGRATING, message or "The schema is not migrated yet.")


def _backup_healthy(snapshot: Snapshot, now: datetime) -> Finding:
    backup = snapshot.store.spec.backup
    if backup is None:
        told = "Nothing is backed up: set spec.backup.schedule."
        return _unknown(BACKUP_HEALTHY, Reason.NOT_CONFIGURED, told)
    last = next(reversed(backups.ended(snapshot)), None)
    if last and ending_of(last) is Ending.FAILED:
        name = last["metadata"]["name"]
        why = result_of(snapshot, last).get("message") or "see the log of its Pod."
        told = f"The last backup (Job {name}) failed: {why}"
        if volume_full(told):
            told = f"{told} {pod_problems.full_volume_advice(names.backup(snapshot.store.name))}"
        return _false(BACKUP_HEALTHY, Reason.BACKUP_FAILED, told)
    if backup.suspend:
        told = "No further backups: spec.backup.suspend is true."
        return _unknown(BACKUP_HEALTHY, Reason.SUSPENDED, told)
    if overdue := backups.overdue(snapshot, now):
        return _false(BACKUP_HEALTHY, Reason.BACKUP_OVERDUE, overdue)
    if last is None and backups.last_success(snapshot) is None:
        told = f"Waiting for the first backup ({backup.schedule})."
        return _unknown(BACKUP_HEALTHY, Reason.NO_BACKUP_YET, told)
    return _true(BACKUP_HEALTHY, Reason.BACKED_UP, "The last backup succeeded.")


def _autoscaling_healthy(snapshot: Snapshot, now: datetime) -> Finding:
    if snapshot.store.spec.autoscaling is None:
        told = "spec.autoscaling is not set."
        return _unknown(AUTOSCALING_HEALTHY, Reason.NOT_CONFIGURED, told)
    name = names.service(snapshot.store.name)
    if _without_metrics_since(snapshot) is None:
        known = condition(_autoscaler(snapshot), "ScalingActive")
        if known:
            told = f"HorizontalPodAutoscaler {name} knows the load."
            return _true(AUTOSCALING_HEALTHY, Reason.METRICS_KNOWN, told)
        told = f"Waiting for HorizontalPodAutoscaler {name} to look at the load."
        return _unknown(AUTOSCALING_HEALTHY, Reason.WAITING_FOR_METRICS, told)
    cause = _scaling_active(snapshot).get("message", "no reason told").rstrip(".")
    told = (
        f"HorizontalPodAutoscaler {name} does not know the load: {cause}. "
        "The number of Pods stays as it is. See that the metrics server runs (kubectl top pods) "
        "and spec.resources.requests.cpu is set, or give spec.replicas instead."
    )
    if metrics_awaited(snapshot, now):
        return _unknown(AUTOSCALING_HEALTHY, Reason.WAITING_FOR_METRICS, told)
    return _false(AUTOSCALING_HEALTHY, Reason.NO_METRICS, told)


def _cache_healthy(snapshot: Snapshot, now: datetime) -> Finding:
    """Find how the cache is. Nothing waits for it: the API goes on without."""
    cache = snapshot.store.spec.cache
    if cache is None:
        told = "spec.cache is not set: each API process counts for itself."
        return _unknown(CACHE_HEALTHY, Reason.NOT_CONFIGURED, told)
    answer = _cache_secret(snapshot, now)
    if not isinstance(answer, Passed):
        return _false(CACHE_HEALTHY, answer.reason, answer.message)
    if cache.external:
        told = (
            f"Secret {cache.external.secret_name} says where the cache is. The operator does not "
            "look at it: each API Pod's /health says how it is."
        )
        return _unknown(CACHE_HEALTHY, Reason.CACHE_EXTERNAL, told)
    return _own_cache_healthy(snapshot)


def _own_cache_healthy(snapshot: Snapshot) -> Finding:
    name = names.cache(snapshot.store.name)
    deployment = find(snapshot, "Deployment", name) or {}
    if deployment.get("status", {}).get("availableReplicas"):
        return _true(CACHE_HEALTHY, Reason.CACHE_READY, f"Valkey (Deployment {name}) answers.")
    trouble = pod_problems.trouble(snapshot, selector(snapshot.store.name, Component.CACHE))
    trouble = trouble or pod_problems.creation_refused(snapshot, "Deployment", name)
    told = pod_problems.with_trouble(
        f"Valkey (Deployment {name}) is not ready. Meanwhile each API process counts for itself.",
        trouble,
    )
    if trouble and trouble.serious:
        return _false(CACHE_HEALTHY, trouble.reason, told)
    if deployment and not _rolls_out(deployment):
        return _false(CACHE_HEALTHY, Reason.CACHE_DOWN, told)
    return _unknown(CACHE_HEALTHY, Reason.CACHE_STARTING, told)


def _rolls_out(deployment: Manifest) -> bool:
    """Whether a Deployment has not been through with its newest Pods yet, nor given up."""
    found = deployment.get("status", {}).get("conditions") or ()
    told: Manifest = next((each for each in found if each["type"] == "Progressing"), {})
    return told.get("status") != "False" and told.get("reason") != "NewReplicaSetAvailable"


def _cache_secret(snapshot: Snapshot, now: datetime) -> Answer:
    cache = snapshot.store.spec.cache
    gate = own_cache_known if cache and cache.embedded else cache_known
    return gate(snapshot, now)


def _without_metrics_since(snapshot: Snapshot) -> datetime | None:
    """Return since when the autoscaler has no metrics, if that is so and it has Pods at all."""
    active = _scaling_active(snapshot)
    if active.get("status") != "False" or active.get("reason") == "ScalingDisabled":
        return None
    return datetime.fromisoformat(active["lastTransitionTime"])


def _scaling_active(snapshot: Snapshot) -> Manifest:
    found = _autoscaler(snapshot).get("status", {}).get("conditions") or ()
    return next((each for each in found if each["type"] == "ScalingActive"), {})


def _autoscaler(snapshot: Snapshot) -> Manifest:
    name = names.service(snapshot.store.name)
    return find(snapshot, "HorizontalPodAutoscaler", name) or {}


def _deployment(snapshot: Snapshot, release: BookStoreRelease) -> Manifest | None:
    name = names.deployment(snapshot.store.name, release.spec.colour)
    return find(snapshot, "Deployment", name)


def _status_of(snapshot: Snapshot, release: BookStoreRelease) -> Manifest:
    status: Manifest = (_deployment(snapshot, release) or {}).get("status", {})
    return status


def _true(kind: str, reason: Reason, message: str) -> Finding:
    return Finding(kind, ConditionStatus.TRUE, reason, message)


def _false(kind: str, reason: Reason, message: str) -> Finding:
    return Finding(kind, ConditionStatus.FALSE, reason, message)


def _unknown(kind: str, reason: Reason, message: str) -> Finding:
    return Finding(kind, ConditionStatus.UNKNOWN, reason, message)
