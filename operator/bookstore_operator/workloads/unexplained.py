"""Find objects whose status does not explain their state: their newest Warning event is read.

If the Pods of a Job or a StatefulSet are rejected, or the Jobs of a CronJob, only events have the
reason. The same holds for a volume or a Secret that the kubelet can't mount, and for a claim that
is not bound.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.crd.base import parse_time
from bookstore_operator.workloads.cron import due_after

PATIENCE: Mapping[str, timedelta] = {
    "Job": timedelta(seconds=2),
    "StatefulSet": timedelta(seconds=2),
    "Pod": timedelta(seconds=10),
    "CronJob": timedelta(seconds=15),
    "PersistentVolumeClaim": timedelta(seconds=5),
}
"""The age from which an object's state needs an explanation; a CronJob's since it was due."""
MOST = 3
SHORTEST, LONGEST = timedelta(seconds=3), timedelta(minutes=1)


def find_unexplained(objects: Mapping[ObjectRef, Manifest], now: datetime) -> list[ObjectRef]:
    """Return the objects whose state is unexplained for their age, at most MOST of them."""
    due = (key for key in _candidates(objects) if _age(objects[key], now) >= PATIENCE[key.kind])
    return sorted(due, key=lambda key: (key.kind, key.name))[:MOST]


def look_again(objects: Mapping[ObjectRef, Manifest], now: datetime) -> datetime | None:
    """Return when to read events again, with growing intervals; None if there is no such object.

    Events are not watched.
    """
    # A CronJob may stay as it is until its next time: it is looked at in every reconciliation.
    candidates = (key for key in _candidates(objects) if key.kind != "CronJob")
    ages = (_age(objects[key], now) for key in candidates)
    waits = [min(max(age / 2, SHORTEST), LONGEST) for age in ages]
    return now + min(waits) if waits else None


def _candidates(objects: Mapping[ObjectRef, Manifest]) -> Iterator[ObjectRef]:
    pods = [obj for key, obj in objects.items() if key.kind == "Pod"]
    owned = {owner["uid"] for pod in pods for owner in pod["metadata"].get("ownerReferences") or ()}
    for key, obj in objects.items():
        if key.kind not in PATIENCE or obj["metadata"].get("deletionTimestamp"):
            continue
        if key.kind == "Pod":
            unexplained = _is_starting(obj)
        elif key.kind == "PersistentVolumeClaim":
            unexplained = _status(obj).get("phase") == "Pending"
        elif key.kind == "CronJob":
            unexplained = not obj["spec"].get("suspend") and not _status(obj).get("active")
        else:
            unexplained = _has_no_pods(obj, owned)
        if unexplained:
            yield key


def _has_no_pods(obj: Manifest, owners: Iterable[str]) -> bool:
    status = obj.get("status") or {}
    complete = any(item["status"] == "True" for item in status.get("conditions") or ())
    ready = status.get("readyReplicas")
    if obj.get("spec", {}).get("replicas") == 0:
        return False
    return not complete and not ready and obj["metadata"].get("uid") not in owners


def _is_starting(pod: Manifest) -> bool:
    """Whether a Pod has a node, and all its containers are still being created."""
    status = pod.get("status") or {}
    if status.get("phase") != "Pending" or not (pod.get("spec") or {}).get("nodeName"):
        return False
    states = [container.get("state") or {} for container in status.get("containerStatuses") or ()]
    reasons = {(state.get("waiting") or {}).get("reason") for state in states}
    return reasons <= {"ContainerCreating", "PodInitializing"}


def _age(obj: Manifest, now: datetime) -> timedelta:
    """Return the age of an object, or the time since a CronJob was due; 0 if it is not due."""
    since = obj["metadata"].get("creationTimestamp")
    if since and obj.get("kind") == "CronJob":
        last = parse_time(_status(obj).get("lastScheduleTime") or since)
        due = due_after(obj["spec"]["schedule"], last)
        return max(now - due, timedelta()) if due else timedelta()
    return now - parse_time(since) if since else timedelta()


def _status(obj: Manifest) -> Manifest:
    status: Manifest = obj.get("status") or {}
    return status
