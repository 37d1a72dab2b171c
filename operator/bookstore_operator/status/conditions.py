"""All conditions of a BookStore, computed in one place.

They follow the Kubernetes conventions and kstatus: Ready, Reconciling and Stalled are what tools
look at. Every message says what is waited for and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bookstore_operator.components import COMPONENTS
from bookstore_operator.components.serving.availability import (
    all_available,
    deployment_of,
    problem_of,
    status_of,
)
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history
from bookstore_operator.core.finding import Finding, fails, holds
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.reasons import WARNING_REASONS, Reason
from bookstore_operator.core.snapshot import Rejection, Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.status import (
    AVAILABLE,
    CACHE_HEALTHY,
    CONDITION_TYPES,
    READY,
    RECONCILING,
    STALLED,
    Condition,
    ConditionStatus,
)
from bookstore_operator.workloads import pod_problems

EVENT_CONDITIONS = frozenset({READY, CACHE_HEALTHY})
"""Whose problems are events: what the others name then is the same as Ready does."""


def conditions(
    snapshot: Snapshot, blocking: Answer, visit: Visit, changes: int = 0
) -> tuple[Condition, ...]:
    """Return all conditions, in the order of CONDITION_TYPES.

    `blocking` is what holds the BookStore up, `changes` how many objects are not as desired.
    """
    found = [
        condition(snapshot, visit, blocking)
        for component in COMPONENTS
        for condition in component.conditions
    ]
    available = next(finding for finding in found if finding.type == AVAILABLE)
    ready = _ready(snapshot, blocking, available)
    found += [ready, _reconciling(snapshot, blocking, ready, changes), _stalled(blocking)]
    found.sort(key=lambda finding: CONDITION_TYPES.index(finding.type))
    return tuple(_dated(snapshot, finding, visit.now) for finding in found)


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
    return condition.type in EVENT_CONDITIONS and condition.reason in WARNING_REASONS


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


def blocking_answer(snapshot: Snapshot, answer: Answer, visit: Visit) -> Answer:
    """Return what blocks most: a rejected write, the release's gate, a component's gate."""
    if snapshot.rejection:
        return _rejected(snapshot.rejection)
    for component in COMPONENTS:
        if component.gate and isinstance(answer, Passed):
            answer = visit.ask(component.gate, snapshot)
    return answer


def _rejected(rejection: Rejection) -> Waiting:
    target, cause = rejection.target, rejection.message.rstrip(".")
    told = f"The API server refuses {target.kind} {target.name}: {cause}."
    if rejection.reason == Reason.NAME_CONFLICT:
        return Waiting(
            Reason.NAME_CONFLICT, f"{rejection.message} It is tried again.", stalled=True
        )
    if "exceeded quota" in cause:
        todo = "Raise the quota, or ask for less. It is tried again."
        return Waiting(Reason.QUOTA_EXCEEDED, f"{told} {todo}", stalled=True)
    return Waiting(Reason.APPLY_REFUSED, f"{told} It is tried again; mend the cause.", stalled=True)


def _ready(snapshot: Snapshot, answer: Answer, available: Finding) -> Finding:
    active = history.active(snapshot)
    if not isinstance(answer, Passed) and not _only_drains(answer):
        return fails(READY, answer.reason, answer.message)
    if active is None or not history.wants(snapshot, active):
        word = Reason.PAUSED if snapshot.store.spec.paused else Reason.RELEASING
        return fails(READY, word, "What the BookStore asks for is not released yet.")
    if available.status is not ConditionStatus.TRUE and live_size(snapshot):
        return fails(READY, available.reason, available.message)
    deployment = deployment_of(snapshot, active)
    wanted = live_size(snapshot)
    if deployment is None or not all_available(deployment, wanted):
        count = status_of(snapshot, active).get("availableReplicas", 0)
        problem = problem_of(snapshot, active)
        told = pod_problems.append_problem(f"{count} of {wanted} Pods are available.", problem)
        return fails(READY, pod_problems.reason_or(Reason.SCALING, problem), told)
    return holds(
        READY, Reason.SERVING, f"Revision {active.spec.revision} serves, all is as asked for."
    )


def _only_drains(answer: Answer) -> bool:
    """Whether only the old color is left to wait for: what was asked for serves."""
    return isinstance(answer, Waiting) and answer.reason is Reason.DRAINING


def _reconciling(snapshot: Snapshot, answer: Answer, ready: Finding, changes: int) -> Finding:
    if snapshot.store.spec.paused:
        told = "spec.paused is true: nothing but status is written."
        return fails(RECONCILING, Reason.PAUSED, told)
    if isinstance(answer, Failed) or (isinstance(answer, Waiting) and answer.stalled):
        return fails(RECONCILING, answer.reason, "Nothing goes on: see Stalled.")
    if isinstance(answer, Waiting):
        return holds(RECONCILING, answer.reason, answer.message)
    if ready.status is not ConditionStatus.TRUE:
        return holds(RECONCILING, ready.reason, ready.message)
    if changes:
        return holds(RECONCILING, Reason.UPDATING, "Objects are brought to what is asked for.")
    return fails(RECONCILING, Reason.SETTLED, "All is as asked for.")


def _stalled(answer: Answer) -> Finding:
    if isinstance(answer, Failed) or (isinstance(answer, Waiting) and answer.stalled):
        return holds(STALLED, answer.reason, answer.message)
    return fails(STALLED, Reason.NOT_STALLED, "Nothing needs help.")
