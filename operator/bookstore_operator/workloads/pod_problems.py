"""What keeps Pods from serving, as a message with the object, the cause and what to do.

The messages are stable: states that alternate from minute to minute (a pull and the wait for the
next one, a crash and the restart after it) have the same message, because each change is a write.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bookstore_operator.core.contract import INTERNAL_PORT, READINESS_PATH
from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.kinds import CLAIMS, CRON_JOBS, DEPLOYMENTS, PODS
from bookstore_operator.core.labels import COMPONENT_LABEL, INSTANCE_LABEL, Component
from bookstore_operator.core.lookup import condition, find_condition, label
from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.reasons import WARNING_REASONS, Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.webhooks import ADVICE, failed_webhook
from bookstore_operator.crd.base import parse_time
from bookstore_operator.workloads.advice import (
    NO_PLATFORM,
    PLATFORM_ADVICE,
    RESOURCES,
    claim_advice,
    claim_name,
    creation_advice,
    reference_advice,
    scheduling_advice,
    storage_field,
)
from bookstore_operator.workloads.jobs import is_main, job_name
from bookstore_operator.workloads.pods import selected, terminating
from bookstore_operator.workloads.pull_secrets import UNPULLABLE, secrets_of
from bookstore_operator.workloads.termination import other_version, termination_summary, volume_full
from bookstore_operator.workloads.thresholds import (
    RESTARTS,
    THRESHOLDS,
    condition_since,
    due_at,
    not_ready_since,
)

ORDINARY = frozenset({"ContainerCreating", "PodInitializing"})
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*"(: )?')
_PULL_WORDS = re.compile(r"^(ErrImagePull|ImagePullBackOff): ")
_FORBIDDEN_POD = re.compile(r'^(Error creating: )?(pods? )?"[^"]*" is forbidden: ')


@dataclass(frozen=True, slots=True)
class PodProblem:
    """What keeps a Pod from serving."""

    reason: Reason
    message: str
    due: datetime | None = None
    """When it begins to need attention if it lasts; None: it needs it now, if it ever does."""

    @property
    def serious(self) -> bool:
        """Whether the problem needs attention; others occur in every start and pass."""
        return self.due is None and self.reason in WARNING_REASONS


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
            name, node = _name(pod), (pod.get("spec") or {}).get("nodeName", "unknown")
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
        yield _counted(_unscheduled(snapshot, pod, scheduled), since, now)
    since = not_ready_since(pod)
    for container in _containers(pod):
        if problem := _of_container(snapshot, pod, container):
            often = container.get("restartCount", 0) >= RESTARTS
            yield problem if often else _counted(problem, since, now)
    if warning := snapshot.warnings.get(_key(pod)):
        problem = _not_starting(snapshot, pod, " ".join(warning.split())[:500])
        yield _counted(problem, since, now)


def _containers(pod: Manifest) -> list[Manifest]:
    """Return the statuses of a Pod's containers, the operator's own one first.

    Init containers are somebody else's: those of a mesh, for example, that fail.
    """
    status = pod.get("status", {})
    initial = status.get("initContainerStatuses") or ()
    failing = (container for container in initial if not _has_succeeded(container))
    found = [*(status.get("containerStatuses") or ()), *failing]
    return sorted(found, key=lambda container: not is_main(pod, container))


def _has_succeeded(container: Manifest) -> bool:
    terminated = (container.get("state") or {}).get("terminated") or {}
    return terminated.get("exitCode") == 0


def _of_container(snapshot: Snapshot, pod: Manifest, container: Manifest) -> PodProblem | None:
    state = container.get("state", {})
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason in UNPULLABLE:
        return _unpullable(snapshot, pod, container, waiting)
    terminated = state.get("terminated") or container.get("lastState", {}).get("terminated")
    if terminated and not container.get("ready") and not _is_done(pod, container):
        return _crashing(pod, container, terminated)
    if reason == "CrashLoopBackOff":
        return _crashing(pod, container, {})
    if reason and reason not in ORDINARY:
        text = f"{reason} {waiting.get('message', '')}".strip()[:500]
        return _not_starting(snapshot, pod, text)
    if state.get("running") and not container.get("ready") and not job_name(pod):
        return _unready(pod)
    return None


def _is_done(pod: Manifest, container: Manifest) -> bool:
    """Whether a container of a Job's Pod has ended as it should."""
    return job_name(pod) is not None and _has_succeeded(container)


def _unscheduled(snapshot: Snapshot, pod: Manifest, scheduled: Manifest) -> PodProblem:
    cause = str(scheduled.get("message") or scheduled.get("reason", "no reason given")).rstrip(".")
    cause = cause[:500]
    component = label(pod, COMPONENT_LABEL)
    claim = CLAIMS.ref(claim_name(snapshot.store.name, pod))
    todo = ""
    if "persistentvolumeclaim" in cause.lower() and claim in snapshot.objects:
        warning = snapshot.warnings.get(claim, "")
        todo = claim_advice(
            snapshot.objects[claim], storage_field(snapshot.store.spec, component), warning
        )
    todo = todo or scheduling_advice(claim.name, component, cause)
    return PodProblem(
        Reason.POD_UNSCHEDULABLE, f"Pod {_name(pod)} can't be scheduled: {cause}. {todo}"
    )


def _unpullable(
    snapshot: Snapshot, pod: Manifest, container: Manifest, waiting: Manifest
) -> PodProblem:
    text = " ".join(str(waiting.get("message") or "").split())
    cause = _PULL_WORDS.sub("", _BACK_OFF.sub("", text))[:500].rstrip(".")
    component = label(pod, COMPONENT_LABEL)
    if not is_main(pod, container):
        todo = (
            f"The operator did not add container {container.get('name')} to the Pod: correct the "
            "webhook or policy that did."
        )
    elif any(words in cause for words in NO_PLATFORM):
        todo = PLATFORM_ADVICE
    elif component in {Component.API, Component.MIGRATION, Component.CHECK}:
        todo = "Push it, or correct spec.image or spec.imagePullSecrets."
    else:
        server = "valkey" if component == Component.CACHE.value else "postgres"
        todo = f"Push it, or correct the operator's --{server}-image or spec.imagePullSecrets."
    invalid_secrets = [
        f"Its image pull secret {name} {snapshot.pull_secrets[name]}: see "
        f"kubectl create secret docker-registry {name} --help. "
        for name in secrets_of(pod)
        if name in snapshot.pull_secrets
    ]
    problem = f"Image {container.get('image', '')} of Pod {_name(pod)} can't be pulled"
    message = f"{problem}{': ' if cause else ''}{cause}. {''.join(invalid_secrets)}{todo}"
    return PodProblem(Reason.IMAGE_PULL_FAILED, message)


def _crashing(pod: Manifest, container: Manifest, terminated: Manifest) -> PodProblem:
    message = str(terminated.get("message") or "")
    summary = termination_summary(message).rstrip(".")
    if versions := other_version(message):
        return _other_version(pod, container, *versions)
    if volume_full(summary):
        return PodProblem(
            Reason.VOLUME_FULL, f"Pod {_name(pod)} exits: {summary}. {_volume_advice(pod)}"
        )
    component = label(pod, COMPONENT_LABEL)
    how = f"exit code {terminated.get('exitCode', 'unknown')}"
    if terminated.get("reason") == "OOMKilled":
        how += f", out of memory: raise {RESOURCES.get(component, 'spec.resources')}.limits.memory"
    name = container["name"]
    cause = f": {summary}" if summary else ""
    if "exec format error" in message:
        cause += f". The image is for other processors than the node's. {PLATFORM_ADVICE}"
        cause = cause.rstrip(".")
    return PodProblem(
        Reason.POD_CRASHING,
        f"Container {name} of Pod {_name(pod)} keeps exiting ({how}){cause}. "
        f"See kubectl logs {_name(pod)} -c {name} --previous.",
    )


def _other_version(pod: Manifest, container: Manifest, made_by: str, server: str) -> PodProblem:
    image = container.get("image", "")
    return PodProblem(
        Reason.POD_CRASHING,
        f"Pod {_name(pod)} exits: its volume has data of PostgreSQL {made_by}, but image "
        f"{image} is PostgreSQL {server}. Set the operator's --postgres-image to version "
        f"{made_by} again. To upgrade, dump the data and restore it into a new volume.",
    )


def _volume_advice(pod: Manifest) -> str:
    """Return what to do about a Pod's full volume."""
    store = label(pod, INSTANCE_LABEL) or ""
    if label(pod, COMPONENT_LABEL) in {Component.DATABASE, Component.RESTORED_DATABASE}:
        return full_volume_advice(claim_name(store, pod))
    return "Expand its volume, or free space on it."


def full_volume_advice(claim: str, field: str = "spec.database.embedded.storage") -> str:
    """Return what to do about a full volume of the operator's own."""
    return (
        f"The volume is full (pvc {claim}). Increase {field}.size if its StorageClass allows "
        "that, or free space on it."
    )


def _not_starting(snapshot: Snapshot, pod: Manifest, cause: str) -> PodProblem:
    component = label(pod, COMPONENT_LABEL)
    advice = reference_advice(snapshot.store.spec, component, cause)
    todo = f"{advice} See" if advice else "See"
    return PodProblem(
        Reason.POD_NOT_STARTING,
        f"Pod {_name(pod)} can't start: {cause.rstrip('.')}. "
        f"{todo} kubectl describe pod {_name(pod)}.",
    )


def _unready(pod: Manifest) -> PodProblem:
    # Not through the API server's proxy: the NetworkPolicy may block it.
    forward = f"kubectl port-forward {_name(pod)} {INTERNAL_PORT}"
    todo = f"To see why: {forward}, then curl localhost:{INTERNAL_PORT}{READINESS_PATH}."
    if label(pod, COMPONENT_LABEL) != Component.API.value:
        todo = f"See kubectl logs {_name(pod)}."
    return PodProblem(Reason.POD_NOT_READY, f"Pod {_name(pod)} is running but not ready. {todo}")


def _name(pod: Manifest) -> str:
    return str(pod["metadata"]["name"])


def _key(pod: Manifest) -> ObjectRef:
    return PODS.ref(_name(pod))
