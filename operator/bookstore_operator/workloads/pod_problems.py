"""What keeps Pods from serving, as a message with the object, the cause and what to do.

The messages are stable: states that alternate from minute to minute (a pull and the wait for the
next one, a crash and the restart after it) have the same message, because each change is a write.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.kinds import CRON_JOBS, DEPLOYMENTS, PODS
from bookstore_operator.core.labels import COMPONENT_LABEL
from bookstore_operator.core.lookup import condition, find_condition, label
from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.webhooks import ADVICE, failed_webhook
from bookstore_operator.crd.base import parse_time
from bookstore_operator.workloads.advice import (
    creation_advice,
)
from bookstore_operator.workloads.jobs import is_main
from bookstore_operator.workloads.pod_causes import (
    PodProblem,
    has_succeeded,
    not_starting,
    pod_name,
    problem_of_container,
    unscheduled,
)
from bookstore_operator.workloads.pods import selected, terminating
from bookstore_operator.workloads.thresholds import (
    RESTARTS,
    THRESHOLDS,
    condition_since,
    due_at,
    not_ready_since,
)

_FORBIDDEN_POD = re.compile(r'^(Error creating: )?(pods? )?"[^"]*" is forbidden: ')


def problem_of_pods(
    snapshot: Snapshot, selector: Mapping[str, str], creator: ObjectRef, now: datetime
) -> PodProblem | None:
    """Return what keeps Pods from serving or from being created; None if nothing does.

    Args:
        snapshot: what is observed.
        selector: selects the Pods. A serious problem of one of them comes first.
        creator: the Deployment, StatefulSet or Job that creates them. Only a Deployment replaces a
            Pod before it is gone: of the others, one that does not end is a problem.
        now: the current time.

    """
    problems = [p for pod in selected(snapshot, selector) for p in _problems(snapshot, pod, now)]
    if creator.kind != DEPLOYMENTS.kind:
        problems += _not_ending(snapshot, selector, now)
    return _worst(problems) or creation_rejected(snapshot, creator, now)


def _worst(problems: Iterable[PodProblem]) -> PodProblem | None:
    """Return the first serious problem, else the first; None if there is none."""
    return min(problems, key=lambda problem: not problem.serious, default=None)


def next_threshold(snapshot: Snapshot, now: datetime) -> datetime | None:
    """Return when what keeps Pods from serving becomes a serious problem; None if nothing may."""
    problems = [p for pod in selected(snapshot, {}) for p in _problems(snapshot, pod, now)]
    problems += [p for key in snapshot.objects if (p := creation_rejected(snapshot, key, now))]
    return min((problem.due for problem in problems if problem.due), default=None)


def _not_ending(
    snapshot: Snapshot, selector: Mapping[str, str], now: datetime
) -> Iterator[PodProblem]:
    """Yield the Pods that still exist some time after their grace period has ended.

    Only the kubelet of its node can say that a Pod has ended, so a lost node keeps it for ever.
    """
    for pod in terminating(snapshot, selector):
        ended = parse_time(pod["metadata"]["deletionTimestamp"])
        if now >= ended + THRESHOLDS[Reason.POD_TERMINATING]:
            name, node = pod_name(pod), (pod.get("spec") or {}).get("nodeName", "unknown")
            yield PodProblem(
                Reason.POD_TERMINATING,
                f"Pod {name} is terminating and was to end by {ended:%H:%M:%S}Z, but its node "
                f"{node} does not confirm that it has: see kubectl describe node {node}. Only "
                "if the node is shut down or gone for good: kubectl delete pod "
                f"{name} --force --grace-period=0.",
            )


def end_deadline(snapshot: Snapshot, selector: Mapping[str, str], now: datetime) -> datetime | None:
    """Return when a terminating Pod becomes a problem; None if none may."""
    ends = (pod["metadata"]["deletionTimestamp"] for pod in terminating(snapshot, selector))
    longest = THRESHOLDS[Reason.POD_TERMINATING]
    deadlines = (parse_time(end) + longest for end in ends)
    return min((deadline for deadline in deadlines if deadline > now), default=None)


def problem_of_pod(snapshot: Snapshot, pod: Manifest) -> PodProblem | None:
    """Return what keeps one Pod from serving, however new it is; None if nothing does."""
    return _worst(_problems(snapshot, pod, None))


def creation_rejected(snapshot: Snapshot, key: ObjectRef, now: datetime) -> PodProblem | None:
    """Return why an object can't create its Pods, or a CronJob its Jobs; None if it can."""
    manifest, text = snapshot.objects.get(key), creation_error(snapshot, key)
    if manifest is None or text is None:
        return None
    cause = _FORBIDDEN_POD.sub("", " ".join(text.split()))[:500].rstrip(".")
    advice = creation_advice(label(manifest, COMPONENT_LABEL), cause)
    made = "Jobs" if key.kind == CRON_JOBS.kind else "Pods"
    reason = Reason.POD_CREATION_FORBIDDEN
    if failed_webhook(cause):
        reason, advice = Reason.WEBHOOK_FAILED, ADVICE
    problem = PodProblem(reason, f"{key.kind} {key.name} can't create {made}: {cause}. {advice}")
    return _counted(problem, condition_since(manifest, "ReplicaFailure"), now)


def creation_error(snapshot: Snapshot, key: ObjectRef) -> str | None:
    """Return what the API server answers an object that creates Pods or Jobs; None if it can."""
    manifest = snapshot.objects.get(key)
    if manifest is None or key.kind == PODS.kind:
        return None
    failure = condition(manifest, "ReplicaFailure") or {}
    return failure.get("message") or snapshot.warnings.get(key) or None


def append_problem(message: str, problem: PodProblem | None) -> str:
    """Return a message, followed by that of a problem if there is one."""
    return f"{message} {problem.message}" if problem else message


def wait_for_pods(
    reason: Reason, message: str, problem: PodProblem | None, until: datetime | None = None
) -> Waiting:
    """Return the answer of a gate that waits for Pods, with what keeps them from serving."""
    return Waiting(reason_or(reason, problem), append_problem(message, problem), until)


def reason_or(reason: Reason, problem: PodProblem | None) -> Reason:
    """Return a serious problem's reason, else the given one."""
    return problem.reason if problem and problem.serious else reason


def _counted(problem: PodProblem, since: datetime | None, now: datetime | None) -> PodProblem:
    """Return a problem that began at a time, with when it begins to need attention."""
    due = due_at(problem.reason, since)
    return replace(problem, due=due) if now and due and now < due else problem


def _problems(snapshot: Snapshot, pod: Manifest, now: datetime | None) -> Iterator[PodProblem]:
    if condition(pod, "Ready"):
        return
    scheduled = find_condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        since = condition_since(pod, "PodScheduled")
        yield _counted(unscheduled(snapshot, pod, scheduled), since, now)
    since = not_ready_since(pod)
    for container in _containers(pod):
        if problem := problem_of_container(snapshot, pod, container):
            often = container.get("restartCount", 0) >= RESTARTS
            yield problem if often else _counted(problem, since, now)
    if warning := snapshot.warnings.get(_key(pod)):
        problem = not_starting(snapshot, pod, " ".join(warning.split())[:500])
        yield _counted(problem, since, now)


def _containers(pod: Manifest) -> list[Manifest]:
    """Return the statuses of a Pod's containers, the operator's own one first.

    Init containers are somebody else's: those of a mesh, for example, that fail.
    """
    status = pod.get("status", {})
    initial = status.get("initContainerStatuses") or ()
    failing = (container for container in initial if not has_succeeded(container))
    found = [*(status.get("containerStatuses") or ()), *failing]
    return sorted(found, key=lambda container: not is_main(pod, container))


def _key(pod: Manifest) -> ObjectRef:
    return PODS.ref(pod_name(pod))
