"""The state of Jobs, and the termination messages of their last Pods."""

from enum import Enum
from typing import Any

from bookstore_operator.core.kinds import PODS
from bookstore_operator.core.labels import JOB_NAME_LABELS
from bookstore_operator.core.lookup import all_of, condition, label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.workloads import termination


class Ending(Enum):
    """The state of a Job."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


def ending_of(job: Manifest) -> Ending:
    """Return the state of a Job, by its conditions."""
    if condition(job, "Complete"):
        return Ending.SUCCEEDED
    return Ending.FAILED if condition(job, "Failed") else Ending.RUNNING


def job_name(pod: Manifest) -> str | None:
    """Return the name of the Job that a Pod belongs to; None if it belongs to none."""
    return next((name for key in JOB_NAME_LABELS if (name := label(pod, key))), None)


def result_of(snapshot: Snapshot, job: Manifest) -> dict[str, Any]:
    """Return the termination message of a Job's last Pod as JSON data; empty if there is none."""
    name = job["metadata"]["name"]
    for pod in reversed(list(all_of(snapshot, PODS))):
        if job_name(pod) != name:
            continue
        for container in pod.get("status", {}).get("containerStatuses") or ():
            terminated = container.get("state", {}).get("terminated") or {}
            if terminated.get("message"):
                return termination.result(terminated["message"])
    return {}
