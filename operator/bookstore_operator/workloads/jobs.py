"""The state of Jobs, and the termination messages of their last Pods.

A Job ends with its Pod, and a Pod ends with all of its containers. A container that somebody else
adds, such as the proxy of a service mesh, may never end. So what counts is the container that does
the work, which the operator names.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from typing import Any

from bookstore_operator.core.kinds import PODS
from bookstore_operator.core.labels import (
    COMPONENT_LABEL,
    JOB_NAME_LABELS,
    MAIN_CONTAINERS,
    OWN_INIT_CONTAINERS,
)
from bookstore_operator.core.lookup import all_of, condition, label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import parse_time
from bookstore_operator.workloads import termination


class Ending(Enum):
    """The state of a Job."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_ENDINGS = {
    "Complete": Ending.SUCCEEDED,
    "SuccessCriteriaMet": Ending.SUCCEEDED,
    "Failed": Ending.FAILED,
    "FailureTarget": Ending.FAILED,
}
"""The ending by condition. The Job controller sets `FailureTarget` when a Job has failed, and
`Failed` only when its Pods have ended, which a Pod on a lost node never does (KEP-3939)."""


def ending_of(snapshot: Snapshot, job: Manifest) -> Ending:
    """Return the state of a Job, by its conditions, else by its main container.

    Jobs and Pods are watched apart, so a Job's end can be seen before what its Pod says. It counts
    as running until then.
    """
    if ended := end_condition(job):
        return _ENDINGS[ended["type"]] if _is_last_pod_over(snapshot, job) else Ending.RUNNING
    terminated = [state for pod in pods_of(snapshot, job) if (state := main_terminated(pod))]
    if any(state.get("exitCode") == 0 for state in terminated):
        return Ending.SUCCEEDED
    retries = job.get("spec", {}).get("backoffLimit", 6)
    return Ending.FAILED if len(terminated) > retries else Ending.RUNNING


def end_condition(job: Manifest) -> Manifest | None:
    """Return the condition that says how a Job has ended; None if it has not."""
    return next((ended for kind in _ENDINGS if (ended := condition(job, kind))), None)


def ended_at(snapshot: Snapshot, job: Manifest) -> datetime | None:
    """Return when a Job ended, by its condition or by its main container; None if unknown."""
    times = [job.get("status", {}).get("completionTime")]
    times += [(end_condition(job) or {}).get("lastTransitionTime")]
    times += [(main_terminated(pod) or {}).get("finishedAt") for pod in pods_of(snapshot, job)]
    return next((parse_time(time) for time in times if time), None)


def is_kept_running(snapshot: Snapshot, job: Manifest) -> bool:
    """Whether only containers that the operator does not know keep a Job from ending."""
    return end_condition(job) is None and any(
        main_terminated(pod) and _others_running(pod) for pod in pods_of(snapshot, job)
    )


def job_name(pod: Manifest) -> str | None:
    """Return the name of the Job that a Pod belongs to; None if it belongs to none."""
    return next((name for key in JOB_NAME_LABELS if (name := label(pod, key))), None)


def pods_of(snapshot: Snapshot, job: Manifest) -> Iterator[Manifest]:
    """Yield the Pods of a Job, by name.

    A former Job of the same name may have left some: that of a BookStore that was deleted.
    """
    for pod in all_of(snapshot, PODS):
        if job_name(pod) == job["metadata"]["name"] and not _is_of_another(pod, job):
            yield pod


def _is_of_another(pod: Manifest, job: Manifest) -> bool:
    """Whether a Pod has owners, and the Job is none of them."""
    owners = {owner["uid"] for owner in pod["metadata"].get("ownerReferences") or ()}
    return bool(owners) and job["metadata"].get("uid") not in owners


def result_of(snapshot: Snapshot, job: Manifest) -> dict[str, Any]:
    """Return the termination message of a Job's last Pod as JSON data; empty if there is none."""
    for pod in reversed(list(pods_of(snapshot, job))):
        message = (main_terminated(pod) or {}).get("message")
        if message:
            return termination.result(message)
    return {}


def main_terminated(pod: Manifest) -> Manifest | None:
    """Return how the main container of a Pod has ended; None if it has not."""
    for container in _statuses(pod):
        if is_main(pod, container):
            terminated: Manifest | None = (container.get("state") or {}).get("terminated")
            return terminated
    return None


def is_main(pod: Manifest, container: Manifest) -> bool:
    """Whether a container is the one that the operator put into a Pod."""
    main = MAIN_CONTAINERS.get(label(pod, COMPONENT_LABEL) or "")
    return main is None or container.get("name") == main


def is_own(pod: Manifest, container: Manifest) -> bool:
    """Whether the operator put a container into a Pod: the main one, or one that precedes it."""
    before = OWN_INIT_CONTAINERS.get(label(pod, COMPONENT_LABEL) or "", frozenset())
    return container.get("name") in before or is_main(pod, container)


def init_terminated(pod: Manifest, name: str) -> Manifest | None:
    """Return how an init container of a Pod has ended; None if it has not."""
    for container in (pod.get("status") or {}).get("initContainerStatuses") or ():
        if container.get("name") == name:
            ended: Manifest | None = (container.get("state") or {}).get("terminated")
            return ended
    return None


def _is_last_pod_over(snapshot: Snapshot, job: Manifest) -> bool:
    """Whether the last Pod of a Job, which has its result, is known to have ended, or is gone."""
    pod = next(reversed(list(pods_of(snapshot, job))), None)
    if pod is None or pod["metadata"].get("deletionTimestamp"):
        return True
    if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return True
    return main_terminated(pod) is not None  # another program's container may keep it running


def _others_running(pod: Manifest) -> bool:
    others = (container for container in _statuses(pod) if not is_main(pod, container))
    return any((container.get("state") or {}).get("running") for container in others)


def _statuses(pod: Manifest) -> list[Manifest]:
    statuses: list[Manifest] = pod.get("status", {}).get("containerStatuses") or []
    return statuses
