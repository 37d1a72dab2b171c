"""Find objects whose status does not explain their state: their newest Warning event is read.

If the Pods of a Job or a StatefulSet are rejected, only events have the reason. The same holds for
a volume or a Secret that the kubelet can't mount.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from bookstore_operator.core.plan import Manifest, ObjectRef

PATIENCE: Mapping[str, timedelta] = {
    "Job": timedelta(seconds=2),
    "StatefulSet": timedelta(seconds=2),
    "Pod": timedelta(seconds=10),
}
"""The age from which an object's state needs an explanation."""
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
    ages = (_age(objects[key], now) for key in _candidates(objects))
    waits = [min(max(age / 2, SHORTEST), LONGEST) for age in ages]
    return now + min(waits) if waits else None


def _candidates(objects: Mapping[ObjectRef, Manifest]) -> Iterator[ObjectRef]:
    pods = [obj for key, obj in objects.items() if key.kind == "Pod"]
    owned = {owner["uid"] for pod in pods for owner in pod["metadata"].get("ownerReferences") or ()}
    for key, obj in objects.items():
        if key.kind not in PATIENCE or obj["metadata"].get("deletionTimestamp"):
            continue
        if _is_starting(obj) if key.kind == "Pod" else _has_no_pods(obj, owned):
            yield key


def _has_no_pods(obj: Manifest, owners: Iterable[str]) -> bool:
    status = obj.get("status") or {}
    complete = any(item["status"] == "True" for item in status.get("conditions") or ())
    ready = status.get("readyReplicas")
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
    created = obj["metadata"].get("creationTimestamp")
    return now - datetime.fromisoformat(created) if created else timedelta()
