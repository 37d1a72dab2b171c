"""What is shown of Pods and of the components that have them. Pure."""

from pydantic import Field

from bookstore_operator.core.kinds import CRON_JOBS, DEPLOYMENTS, PODS, STATEFUL_SETS
from bookstore_operator.core.labels import (
    COMPONENT_LABEL,
    RELEASE_LABEL,
    Component,
    release_selector,
)
from bookstore_operator.core.lookup import all_of, condition, label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import Part
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.workloads.jobs import job_name
from bookstore_operator.workloads.pod_problems import problem_of_pod


class ProblemView(Part):
    """What keeps a Pod from serving."""

    reason: str
    message: str


class PodView(Part):
    """A Pod."""

    name: str
    phase: str
    ready: bool
    restarts: int
    problem: ProblemView | None = None


class WorkloadView(Part):
    """A Deployment, StatefulSet or CronJob of a component."""

    kind: str
    name: str
    summary: str


class ComponentView(Part):
    """A part of the BookStore besides the API."""

    name: str
    workloads: list[WorkloadView] = Field(default_factory=list)
    pods: list[PodView] = Field(default_factory=list)


def pods_of_release(snapshot: Snapshot, release: BookStoreRelease) -> list[PodView]:
    """Return the Pods of a release, with those of its Jobs."""
    selectors = (release_selector(release), {RELEASE_LABEL: release.name})
    return [
        pod_view(snapshot, pod)
        for pod in all_of(snapshot, PODS)
        if any(s.items() <= (pod["metadata"].get("labels") or {}).items() for s in selectors)
    ]


def pod_view(snapshot: Snapshot, pod: Manifest) -> PodView:
    """Return what is shown of a Pod."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    ends = [(container.get("state") or {}).get("terminated") for container in containers]
    over = bool(ends) and all(end is not None for end in ends)
    result = "Succeeded" if all(end and end.get("exitCode") == 0 for end in ends) else "Failed"
    phase = status.get("phase") or (result if over else "Unknown")
    of_job = job_name(pod) is not None
    problem = None if over and of_job else problem_of_pod(snapshot, pod)
    return PodView(
        name=pod["metadata"]["name"],
        phase="Terminating" if pod["metadata"].get("deletionTimestamp") else phase,
        ready=condition(pod, "Ready") is not None,
        restarts=sum(container.get("restartCount", 0) for container in containers),
        problem=ProblemView(reason=problem.reason, message=problem.message) if problem else None,
    )


def components_of(snapshot: Snapshot) -> list[ComponentView]:
    """Return the parts besides the API and its migrations, which releases have."""
    views = []
    for name in Component:
        if name in {Component.API, Component.MIGRATION, Component.CHECK}:
            continue
        workloads = [
            WorkloadView(kind=obj["kind"], name=obj["metadata"]["name"], summary=_summary(obj))
            for resource in (STATEFUL_SETS, DEPLOYMENTS, CRON_JOBS)
            for obj in all_of(snapshot, resource)
            if label(obj, COMPONENT_LABEL) == name.value
        ]
        pods = [
            pod_view(snapshot, pod)
            for pod in all_of(snapshot, PODS)
            if label(pod, COMPONENT_LABEL) == name.value
        ]
        if workloads or pods:
            views.append(ComponentView(name=name.value, workloads=workloads, pods=pods))
    return views


def _summary(workload: Manifest) -> str:
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    if workload["kind"] == CRON_JOBS.kind:
        last = status.get("lastSuccessfulTime")
        suspended = "suspended, " if spec.get("suspend") else ""
        return f"{suspended}at {spec.get('schedule')}, last success {last or 'never'}"
    return f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)} ready"
