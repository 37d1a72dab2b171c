"""Objects that are being deleted and don't go, because a finalizer keeps them.

Kubernetes' controllers do nothing more for such an object: a Deployment, for example, creates no
Pods. And the operator can't create it again before it is gone.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.kinds import CLAIMS, ENDPOINT_SLICES, PODS
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import parse_time

PATIENCE = timedelta(minutes=1)
_OTHERWISE = frozenset({CLAIMS.kind, PODS.kind, ENDPOINT_SLICES.kind})
"""Kinds whose deletion waits for something else, which is reported where it matters."""


def nothing_lingers(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if no object has been in deletion for longer than a minute."""
    late = (obj for obj in _terminating(snapshot) if _due(obj) <= now)
    obj = min(late, key=_due, default=None)
    if obj is None:
        return Passed()
    metadata, kind = obj["metadata"], obj["kind"]
    name, left = metadata["name"], ", ".join(map(str, metadata["finalizers"]))
    return Waiting(
        Reason.OBJECT_TERMINATING,
        f"{kind} {name} was deleted at {metadata['deletionTimestamp']}, but finalizer {left} keeps "
        "it: until it is gone, Kubernetes does nothing more for it, and the operator can't create "
        f"it again. See why what set the finalizer does not remove it; if that is gone for good: "
        f"kubectl patch {kind.lower()} {name} --type=merge -p "
        '\'{"metadata":{"finalizers":null}}\'.',
        stalled=True,
    )


def next_due(snapshot: Snapshot, now: datetime) -> datetime | None:
    """Return when an object in deletion is reported next; None if none may be."""
    return min((due for obj in _terminating(snapshot) if (due := _due(obj)) > now), default=None)


def _terminating(snapshot: Snapshot) -> Iterator[Manifest]:
    for key, obj in snapshot.objects.items():
        metadata = obj["metadata"]
        if key.kind in _OTHERWISE or not metadata.get("finalizers"):
            continue
        if metadata.get("deletionTimestamp"):
            yield obj


def _due(obj: Manifest) -> datetime:
    return parse_time(obj["metadata"]["deletionTimestamp"]) + PATIENCE
