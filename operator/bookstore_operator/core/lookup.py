"""Finding observed objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bookstore_operator.core import names
from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.bookstore import KIND

API_VERSIONS: Mapping[str, str] = {
    "CronJob": "batch/v1",
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Job": "batch/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PersistentVolumeClaim": "v1",
    "Pod": "v1",
    "PodDisruptionBudget": "policy/v1",
    "Service": "v1",
    "StatefulSet": "apps/v1",
}


def find(snapshot: Snapshot, kind: str, name: str) -> Manifest | None:
    """Return an observed object, or None."""
    return snapshot.objects.get(ObjectRef(API_VERSIONS[kind], kind, name))


def all_of(snapshot: Snapshot, kind: str) -> Iterator[Manifest]:
    """Yield the observed objects of a kind, by name."""
    for key in sorted(snapshot.objects, key=lambda key: key.name):
        if key.kind == kind:
            yield snapshot.objects[key]


def label(manifest: Manifest, name: str) -> str | None:
    """Return the value of a label."""
    value: str | None = (manifest["metadata"].get("labels") or {}).get(name)
    return value


def owned_by(manifest: Manifest, uid: str) -> bool:
    """Whether an object names another one as its owner."""
    owners = manifest["metadata"].get("ownerReferences") or ()
    return any(owner["uid"] == uid for owner in owners)


def controlled_by_another(manifest: Manifest, store: str) -> bool:
    """Whether an object is neither the BookStore's nor its database's, whatever its labels say."""
    ours = {(KIND, store), ("StatefulSet", names.database(store))}
    owners = manifest["metadata"].get("ownerReferences") or ()
    return any(
        owner.get("controller") and (owner["kind"], owner["name"]) not in ours for owner in owners
    )


def condition(manifest: Manifest, kind: str) -> Manifest | None:
    """Return the condition of a built-in object if it is True."""
    for found in manifest.get("status", {}).get("conditions") or ():
        if found["type"] == kind and found["status"] == "True":
            condition: Manifest = found
            return condition
    return None
