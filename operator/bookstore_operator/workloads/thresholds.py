"""How long trouble that can pass by itself must last before it counts as a problem.

A registry that is slow once, a volume that is about to be bound, a process that starts before its
database: each is a step of a start that goes well. Until its threshold such trouble is only named
in the message, as what is waited for. docs/reference/failures.md has the same table.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bookstore_operator.core.lookup import find_condition
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.crd.base import parse_time

THRESHOLDS: Mapping[Reason, timedelta] = {
    # The kubelet pulls again 10 s after it has failed, so it has failed twice.
    Reason.IMAGE_PULL_FAILED: timedelta(seconds=15),
    # A claim is bound within this time where volumes are provisioned locally or by a cloud.
    Reason.POD_UNSCHEDULABLE: timedelta(seconds=20),
    Reason.POD_NOT_STARTING: timedelta(seconds=15),
    # The kubelet restarts a container at once, and again after 10 s.
    Reason.POD_CRASHING: timedelta(seconds=15),
    # A quota counts the Pods that are about to end.
    Reason.POD_CREATION_FORBIDDEN: timedelta(seconds=5),
    Reason.WEBHOOK_FAILED: timedelta(seconds=5),
    # Only the kubelet of its node can say that a Pod has ended. Counted from the end of its grace.
    Reason.POD_TERMINATING: timedelta(seconds=30),
    # An autoscaler has no metrics after each start of a Pod. Counted from its own condition.
    Reason.NO_METRICS: timedelta(minutes=1),
    # Clouds make a load balancer in one to four minutes. Counted from the condition Exposed.
    Reason.NO_ADDRESS: timedelta(minutes=10),
}
"""The time by reason. What is not in it counts at once."""

RESTARTS = 3
"""A container that was restarted as often keeps crashing, however short it was not ready."""


def not_ready_since(pod: Manifest) -> datetime | None:
    """Return since when a Pod is not ready; None if unknown."""
    changed = find_condition(pod, "Ready").get("lastTransitionTime")
    started = pod.get("status", {}).get("startTime")
    return _time(changed or started or pod["metadata"].get("creationTimestamp"))


def condition_since(manifest: Manifest, kind: str) -> datetime | None:
    """Return since when a condition of an object is what it is, or else the object's creation."""
    changed = find_condition(manifest, kind).get("lastTransitionTime")
    return _time(changed or manifest["metadata"].get("creationTimestamp"))


def due_at(reason: Reason, since: datetime | None) -> datetime | None:
    """Return when trouble becomes a problem that began at a time; None: it is one at once."""
    threshold = THRESHOLDS.get(reason)
    return since + threshold if since and threshold else None


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
