"""All conditions of a BookStore, computed in one place.

They follow the Kubernetes API conventions and kstatus: tools read Ready, Reconciling and Stalled.
Every message names what is waited for and what to do.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from bookstore_operator.backups.health import proven
from bookstore_operator.components import COMPONENTS, Component
from bookstore_operator.components.serving.availability import (
    all_available,
    deployment_of,
    problem_of,
    status_of,
)
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.managers import A_WEBHOOK, added_to_pods
from bookstore_operator.core.plan import ObjectRef
from bookstore_operator.core.reasons import WARNING_REASONS, Reason
from bookstore_operator.core.rejections import rejected
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.status import (
    AVAILABLE,
    BACKUP_HEALTHY,
    CACHE_HEALTHY,
    CONDITION_TYPES,
    EXPOSED,
    READY,
    RECONCILING,
    SIGNING_KEYS_HEALTHY,
    STALLED,
    Condition,
    ConditionStatus,
)
from bookstore_operator.status import failures, patience
from bookstore_operator.status.lingering import nothing_lingers
from bookstore_operator.workloads import pod_problems

EVENT_CONDITIONS = frozenset({READY, CACHE_HEALTHY, BACKUP_HEALTHY, EXPOSED, SIGNING_KEYS_HEALTHY})
"""The conditions whose problems are posted as events. The others repeat what Ready reports."""

_LONGEST_OVERRIDES = 1000
_MUTATORS = 3
_SEE_STALLED = "No progress: see the Stalled condition."


class Conditions(NamedTuple):
    """All conditions of a BookStore, and since when it waits."""

    all: tuple[Condition, ...]
    """In the order of CONDITION_TYPES."""
    waiting_since: datetime | None
    """None if nothing is waited for that has no limit of its own."""
    deadline: datetime | None
    """When that is reported; None if it is, or nothing is waited for."""


def conditions(snapshot: Snapshot, blocking: Answer, visit: Visit, changes: int = 0) -> Conditions:
    """Return all conditions.

    Args:
        snapshot: what is observed.
        blocking: the answer of what blocks the BookStore most (see `blocking_answer`).
        visit: has the current time and the gates' answers.
        changes: the number of objects that do not match the spec.

    """
    findings = [
        _known(snapshot, component, condition(snapshot, visit, blocking))
        for component in COMPONENTS
        for condition in component.conditions
    ]
    findings = [_proven(snapshot, finding, visit.now) for finding in findings]
    available = next(finding for finding in findings if finding.type == AVAILABLE)
    ready = _ready(snapshot, blocking, available, visit.now)
    reconciling = _reconciling(snapshot, blocking, ready, changes)
    since = patience.waits_since(snapshot, reconciling, visit.now)
    deadline = patience.deadline(snapshot, reconciling.reason, since)
    overdue = deadline is not None and visit.now >= deadline
    progress = _overdue(snapshot, reconciling) if overdue else (reconciling, _stalled(blocking))
    findings += [ready, *progress]
    findings.sort(key=lambda finding: CONDITION_TYPES.index(finding.type))
    timed = tuple(_with_times(snapshot, finding, visit.now) for finding in findings)
    return Conditions(timed, since, None if overdue else deadline)


def _known(snapshot: Snapshot, component: Component, finding: Finding) -> Finding:
    """Return a component's finding; Unknown if it depends on what the operator can't read."""
    blocker = snapshot.blocker
    hidden = blocker and (blocker.hides_secrets if component.secrets else blocker.hides_active)
    return unknown(finding.type, blocker.reason, blocker.message) if blocker and hidden else finding


def _proven(snapshot: Snapshot, finding: Finding, now: datetime) -> Finding:
    """Return a finding; of backups, with what their records have."""
    return proven(snapshot, finding, now) if finding.type == BACKUP_HEALTHY else finding


def transitions(before: Iterable[Condition], after: Iterable[Condition]) -> list[Condition]:
    """Return the conditions for which an event is posted.

    Their status has changed, they are True from the beginning, or they have a new problem.
    """
    by_type = {condition.type: condition for condition in before}
    return [item for item in after if _is_transition(by_type.get(item.type), item)]


def _is_transition(previous: Condition | None, condition: Condition) -> bool:
    if previous is None:
        return condition.status is ConditionStatus.TRUE or _is_problem(condition)
    if condition.status is not previous.status:
        return True
    return _is_problem(condition) and condition.reason != previous.reason


def _is_problem(condition: Condition) -> bool:
    return condition.type in EVENT_CONDITIONS and condition.reason in WARNING_REASONS


def _with_times(snapshot: Snapshot, finding: Finding, now: datetime) -> Condition:
    """Return the condition of a finding; its time is that of its last change of status."""
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


def blocking_answer(snapshot: Snapshot, answer: Answer, visit: Visit) -> Answer:
    """Return the first that blocks: a failure, a contest, the release's gate, a component's."""
    if snapshot.rejection:
        return rejected(snapshot.rejection)
    if snapshot.blocker:
        return failures.blocked(snapshot.blocker, visit.now)
    if snapshot.contests:
        return failures.contested(snapshot.contests)
    for component in COMPONENTS:
        if component.gate and _is_done(answer):
            of_component = visit.ask(component.gate, snapshot)
            answer = answer if isinstance(of_component, Passed) else of_component
    lingering = visit.ask(nothing_lingers, snapshot) if _is_done(answer) else Passed()
    return answer if isinstance(lingering, Passed) else lingering


def _is_done(answer: Answer) -> bool:
    """Whether nothing is left to do, except to keep the old color for a while."""
    return isinstance(answer, Passed) or answer.reason is Reason.WARM


def _ready(snapshot: Snapshot, answer: Answer, available: Finding, now: datetime) -> Finding:
    active = history.active(snapshot)
    if not (isinstance(answer, Passed) or _is_done(answer) or _only_drains(answer)):
        return fails(READY, answer.reason, f"{answer.message}{_overrides(snapshot)}")
    if active is None or not history.matches_spec(snapshot, active):
        word = Reason.PAUSED if snapshot.store.spec.paused else Reason.RELEASING
        return fails(READY, word, "The current spec is not released yet.")
    if available.status is not ConditionStatus.TRUE and live_size(snapshot):
        return fails(READY, available.reason, available.message)
    deployment = deployment_of(snapshot, active)
    wanted = live_size(snapshot)
    if deployment is None or not all_available(deployment, wanted):
        count = status_of(snapshot, active).get("availableReplicas", 0)
        problem = problem_of(snapshot, active, now)
        counted = f"{count} of {wanted} Pods are available."
        message = pod_problems.append_problem(counted, problem)
        return fails(READY, pod_problems.reason_or(Reason.SCALING, problem), message)
    matches = f"Revision {active.spec.revision} serves; all matches the spec."
    return holds(READY, Reason.SERVING, f"{matches}{_overrides(snapshot)}")


def _overrides(snapshot: Snapshot) -> str:
    """Return sentences about what others change in what the operator applies, or add to it."""
    changes = [
        f"{key.kind} {key.name}: {'; '.join(sorted(differences))}{_mutators(snapshot, key)}"
        for key, differences in sorted(snapshot.overridden.items(), key=lambda item: str(item[0]))
    ]
    additions = [
        f"{key.kind} {key.name}: "
        + "; ".join(f"{field} (by {manager})" for field, manager in sorted(added.items()))
        + (_mutators(snapshot, key) if A_WEBHOOK in added.values() else "")
        for key in sorted(snapshot.objects, key=str)
        if (added := added_to_pods(snapshot.objects[key]))
    ]
    lacking = f" {snapshot.missing_rights}" if snapshot.missing_rights else ""
    return (
        lacking
        + _sentence(
            "A webhook or policy changes what the operator applies, which it tolerates", changes
        )
        + _sentence("Others have added to Pod templates, which the operator tolerates", additions)
    )


def _mutators(snapshot: Snapshot, key: ObjectRef) -> str:
    """Return the webhooks that may have changed an object; empty if none is known."""
    names = snapshot.mutators.get(key, ())
    more = f" and {len(names) - _MUTATORS} more" if len(names) > _MUTATORS else ""
    return f" (webhooks whose rules match: {', '.join(names[:_MUTATORS])}{more})" if names else ""


def _sentence(what: str, items: list[str]) -> str:
    listed = " ".join(f"{item}." for item in items)
    return f" {what}: {listed[:_LONGEST_OVERRIDES]}" if items else ""


def _only_drains(answer: Answer) -> bool:
    """Whether only the old color is waited for: the current spec serves already."""
    return isinstance(answer, Waiting) and answer.reason is Reason.DRAINING


def _reconciling(snapshot: Snapshot, answer: Answer, ready: Finding, changes: int) -> Finding:
    if snapshot.store.spec.paused:
        message = "Reconciliation is suspended: spec.paused is true. Only the status is updated."
        return fails(RECONCILING, Reason.PAUSED, message)
    if not (isinstance(answer, Passed) or _is_done(answer)):
        if _is_stalled(answer):
            return fails(RECONCILING, answer.reason, _SEE_STALLED)
        return holds(RECONCILING, answer.reason, answer.message)
    if ready.status is not ConditionStatus.TRUE:
        return holds(RECONCILING, ready.reason, ready.message)
    if changes:
        return holds(RECONCILING, Reason.UPDATING, "Updating objects to match the spec.")
    return fails(RECONCILING, Reason.SETTLED, "All objects match the spec.")


def _stalled(answer: Answer) -> Finding:
    if not isinstance(answer, Passed) and _is_stalled(answer):
        return holds(STALLED, answer.reason, answer.message)
    return fails(STALLED, Reason.NOT_STALLED, "No intervention is needed.")


def _overdue(snapshot: Snapshot, reconciling: Finding) -> tuple[Finding, Finding]:
    """Return Reconciling and Stalled of a BookStore that has waited for too long."""
    reason, message = reconciling.reason, reconciling.message
    return (
        fails(RECONCILING, reason, _SEE_STALLED),
        holds(STALLED, reason, patience.describe(snapshot, reason, message)),
    )


def _is_stalled(answer: Waiting | Failed) -> bool:
    """Whether there will be no progress without intervention."""
    return isinstance(answer, Failed) or answer.stalled
