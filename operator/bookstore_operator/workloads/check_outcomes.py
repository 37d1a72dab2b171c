"""Read how the Job of a check has ended: the outcome of its command, or why there is none."""

from datetime import datetime
from typing import Any

from bookstore_operator.core import contract
from bookstore_operator.core.labels import Component
from bookstore_operator.core.lookup import condition
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.workloads.advice import RESOURCES
from bookstore_operator.workloads.images import main_image_id
from bookstore_operator.workloads.jobs import (
    end_condition,
    ended_at,
    main_terminated,
    pods_of,
    result_of,
)


def read_check(snapshot: Snapshot, job: Manifest, now: datetime) -> dict[str, Any]:
    """Return the fields of a check's record that an ended Job has, as in CheckRecord.

    A command that was interrupted has no outcome, though it may have written that it failed.
    """
    pods = list(pods_of(snapshot, job))
    terminated = next((end for pod in reversed(pods) if (end := main_terminated(pod))), None)
    read: dict[str, Any] = {
        "ended_at": ended_at(snapshot, job) or now,
        "image_id": next((found for pod in pods if (found := main_image_id(pod))), "")[:512],
    }
    exit_code = (terminated or {}).get("exitCode")
    if exit_code != 0 and (interrupted := _why_interrupted(job, pods)):
        return {**read, "message": interrupted}
    outcome = contract.read_outcome(result_of(snapshot, job))
    return {
        **read,
        "exit_code": exit_code if isinstance(exit_code, int) else None,
        "code": outcome.code,
        "message": outcome.message or _why_silent(job, terminated),
        "data": outcome.answer if outcome.code else None,
    }


def _why_interrupted(job: Manifest, pods: list[Manifest]) -> str:
    """Return what ended a Job before its command did; empty if nothing did."""
    for pod in pods:
        status = pod.get("status") or {}
        if disruption := condition(pod, "DisruptionTarget") or _is_evicted(status):
            text = status.get("message") or disruption.get("message") or "no details given"
            return f"Its Pod was ended ({disruption.get('reason', 'no reason given')}): {text}"
    if (end_condition(job) or {}).get("reason") == "DeadlineExceeded":
        return f"It did not end within {job['spec'].get('activeDeadlineSeconds')} s"
    return ""


def _is_evicted(status: Manifest) -> Manifest | None:
    """Return the status of a Pod that the kubelet has ended for a reason of the node; else None."""
    return status if status.get("phase") == "Failed" and status.get("reason") else None


def _why_silent(job: Manifest, terminated: Manifest | None) -> str:
    """Return why a Job has no termination message, by its container or itself."""
    if terminated is None:
        ended = end_condition(job) or {}
        return f"{ended.get('reason', 'It failed')}: {ended.get('message', 'no details given')}"
    if terminated.get("reason") == "OOMKilled":
        return f"It ran out of memory: raise {RESOURCES[Component.CHECK]}.limits.memory"
    return f"It ended with exit code {terminated.get('exitCode', 'unknown')} and no message"
