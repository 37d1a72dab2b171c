"""What an object's status does not explain: there the newest Warning event about it is read.

A Job or a StatefulSet whose Pods are refused says so in events only, and so does the kubelet
about a volume or a Secret that it can't mount.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from bookstore_operator.core.plan import Manifest, ObjectRef

PATIENCE: Mapping[str, timedelta] = {
    "Job": timedelta(seconds=2),
    "StatefulSet": timedelta(seconds=2),
    "Pod": timedelta(seconds=10),
}
"""How old an object gets before its state is odd."""
MOST = 3
SHORTEST, LONGEST = timedelta(seconds=3), timedelta(minutes=1)


def find_unexplained(objects: Mapping[ObjectRef, Manifest], now: datetime) -> list[ObjectRef]:
    """Return the objects whose state is odd for their age, a few of them."""
    odd = (key for key in _odd(objects) if _age(objects[key], now) >= PATIENCE[key.kind])
    return sorted(odd, key=lambda key: (key.kind, key.name))[:MOST]


def look_again(objects: Mapping[ObjectRef, Manifest], now: datetime) -> datetime | None:
    """Return when to look again at what is odd: ever more seldom, for events are not watched."""
    waits = [min(max(_age(objects[key], now) / 2, SHORTEST), LONGEST) for key in _odd(objects)]
    return now + min(waits) if waits else None


def _odd(objects: Mapping[ObjectRef, Manifest]) -> Iterator[ObjectRef]:
    pods = [obj for key, obj in objects.items() if key.kind == "Pod"]
    owned = {owner["uid"] for pod in pods for owner in pod["metadata"].get("ownerReferences") or ()}
    for key, obj in objects.items():
        if key.kind not in PATIENCE or obj["metadata"].get("deletionTimestamp"):
            continue
        if _in_the_making(obj) if key.kind == "Pod" else _childless(obj, owned):
            yield key


def _childless(obj: Manifest, owned: Iterable[str]) -> bool:
    status = obj.get("status") or {}
    over = any(each["status"] == "True" for each in status.get("conditions") or ())
    return not over and not status.get("readyReplicas") and obj["metadata"].get("uid") not in owned


def _in_the_making(pod: Manifest) -> bool:
    """Whether a Pod has a node, and no container of it has got anywhere."""
    status = pod.get("status") or {}
    if status.get("phase") != "Pending" or not (pod.get("spec") or {}).get("nodeName"):
        return False
    states = [each.get("state") or {} for each in status.get("containerStatuses") or ()]
    reasons = {(state.get("waiting") or {}).get("reason") for state in states}
    return reasons <= {"ContainerCreating", "PodInitializing"}


def _age(obj: Manifest, now: datetime) -> timedelta:
    created = obj["metadata"].get("creationTimestamp")
    return now - datetime.fromisoformat(created) if created else timedelta()
