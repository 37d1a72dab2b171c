"""Why one container, or one Pod, does not serve: the cause in words, and what to do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bookstore_operator.core.contract import INTERNAL_PORT, READINESS_PATH
from bookstore_operator.core.kinds import CLAIMS
from bookstore_operator.core.labels import (
    COMPONENT_LABEL,
    DRILL_CONTAINER,
    DRILL_SERVER,
    INSTANCE_LABEL,
    Component,
)
from bookstore_operator.core.lookup import label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import WARNING_REASONS, Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.workloads.advice import (
    NO_PLATFORM,
    PLATFORM_ADVICE,
    RESOURCES,
    claim_advice,
    claim_name,
    reference_advice,
    scheduling_advice,
    storage_field,
)
from bookstore_operator.workloads.jobs import is_own, job_name
from bookstore_operator.workloads.pull_secrets import UNPULLABLE, secrets_of
from bookstore_operator.workloads.termination import other_version, termination_summary, volume_full

ORDINARY = frozenset({"ContainerCreating", "PodInitializing"})
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*"(: )?')
_PULL_WORDS = re.compile(r"^(ErrImagePull|ImagePullBackOff): ")


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


def problem_of_container(
    snapshot: Snapshot, pod: Manifest, container: Manifest
) -> PodProblem | None:
    """Return what keeps a container from serving, by its status; None if nothing does."""
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
        return not_starting(snapshot, pod, text)
    if state.get("running") and not container.get("ready") and not job_name(pod):
        return _unready(pod)
    return None


def _is_done(pod: Manifest, container: Manifest) -> bool:
    """Whether a container of a Job's Pod has ended as it should."""
    return job_name(pod) is not None and has_succeeded(container)


def unscheduled(snapshot: Snapshot, pod: Manifest, scheduled: Manifest) -> PodProblem:
    """Return why a Pod has no node, by its condition PodScheduled."""
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
        Reason.POD_UNSCHEDULABLE, f"Pod {pod_name(pod)} can't be scheduled: {cause}. {todo}"
    )


def _unpullable(
    snapshot: Snapshot, pod: Manifest, container: Manifest, waiting: Manifest
) -> PodProblem:
    text = " ".join(str(waiting.get("message") or "").split())
    cause = _PULL_WORDS.sub("", _BACK_OFF.sub("", text))[:500].rstrip(".")
    component = label(pod, COMPONENT_LABEL)
    if not is_own(pod, container):
        todo = (
            f"The operator did not add container {container.get('name')} to the Pod: correct the "
            "webhook or policy that did."
        )
    elif any(words in cause for words in NO_PLATFORM):
        todo = PLATFORM_ADVICE
    else:
        source = _image_source(component, str(container.get("name")))
        todo = f"Push it, or correct {source} or spec.imagePullSecrets."
    invalid_secrets = [
        f"Its image pull secret {name} {snapshot.pull_secrets[name]}: see "
        f"kubectl create secret docker-registry {name} --help. "
        for name in secrets_of(pod)
        if name in snapshot.pull_secrets
    ]
    problem = f"Image {container.get('image', '')} of Pod {pod_name(pod)} can't be pulled"
    message = f"{problem}{': ' if cause else ''}{cause}. {''.join(invalid_secrets)}{todo}"
    return PodProblem(Reason.IMAGE_PULL_FAILED, message)


_IMAGE_OPTIONS: Mapping[str | None, str] = {
    Component.CACHE: "valkey",
    Component.DATABASE: "postgres",
    Component.RESTORED_DATABASE: "postgres",
    Component.BACKUP: "backup",
    Component.VERIFY: "backup",
    Component.RESTORE: "backup",
}


def _image_source(component: str | None, container: str) -> str:
    """Return what names the image of a container that the operator put into a Pod."""
    if component == Component.DRILL:
        option = {DRILL_SERVER: "postgres", DRILL_CONTAINER: "backup"}.get(container)
    else:
        option = _IMAGE_OPTIONS.get(component)
    return f"the operator's --{option}-image" if option else "spec.image"


def _crashing(pod: Manifest, container: Manifest, terminated: Manifest) -> PodProblem:
    message = str(terminated.get("message") or "")
    summary = termination_summary(message).rstrip(".")
    if versions := other_version(message):
        return _other_version(pod, container, *versions)
    if volume_full(summary):
        return PodProblem(
            Reason.VOLUME_FULL, f"Pod {pod_name(pod)} exits: {summary}. {_volume_advice(pod)}"
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
        f"Container {name} of Pod {pod_name(pod)} keeps exiting ({how}){cause}. "
        f"See kubectl logs {pod_name(pod)} -c {name} --previous.",
    )


def _other_version(pod: Manifest, container: Manifest, made_by: str, server: str) -> PodProblem:
    image = container.get("image", "")
    return PodProblem(
        Reason.POD_CRASHING,
        f"Pod {pod_name(pod)} exits: its volume has data of PostgreSQL {made_by}, but image "
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


def not_starting(snapshot: Snapshot, pod: Manifest, cause: str) -> PodProblem:
    """Return that a Pod can't start, for a cause that an event or a container's status names."""
    component = label(pod, COMPONENT_LABEL)
    advice = reference_advice(snapshot.store.spec, component, cause)
    todo = f"{advice} See" if advice else "See"
    return PodProblem(
        Reason.POD_NOT_STARTING,
        f"Pod {pod_name(pod)} can't start: {cause.rstrip('.')}. "
        f"{todo} kubectl describe pod {pod_name(pod)}.",
    )


def _unready(pod: Manifest) -> PodProblem:
    # Not through the API server's proxy: the NetworkPolicy may block it.
    forward = f"kubectl port-forward {pod_name(pod)} {INTERNAL_PORT}"
    todo = f"To see why: {forward}, then curl localhost:{INTERNAL_PORT}{READINESS_PATH}."
    if label(pod, COMPONENT_LABEL) != Component.API.value:
        todo = f"See kubectl logs {pod_name(pod)}."
    return PodProblem(Reason.POD_NOT_READY, f"Pod {pod_name(pod)} is running but not ready. {todo}")


def has_succeeded(container: Manifest) -> bool:
    """Whether a container has ended as it should."""
    terminated = (container.get("state") or {}).get("terminated") or {}
    return terminated.get("exitCode") == 0


def pod_name(pod: Manifest) -> str:
    """Return a Pod's name."""
    return str(pod["metadata"]["name"])
