"""Look up observed objects and their metadata."""

from collections.abc import Iterator

from bookstore_operator.core import names
from bookstore_operator.core.kinds import BOOKSTORES, CLAIMS, RESTORES, STATEFUL_SETS, Resource
from bookstore_operator.core.labels import RESTORE_LABEL
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot


def find(snapshot: Snapshot, resource: Resource, name: str) -> Manifest | None:
    """Return an observed object, or None."""
    return snapshot.objects.get(resource.ref(name))


def all_of(snapshot: Snapshot, resource: Resource) -> Iterator[Manifest]:
    """Yield the observed objects of a kind, by name."""
    kind = resource.kind
    for key in sorted((k for k in snapshot.objects if k.kind == kind), key=lambda key: key.name):
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
    """Whether an object has another controller than the BookStore, or a claim than the database.

    What a BookStoreRestore of the BookStore has made is controlled by that until it is used.
    """
    ours = {(BOOKSTORES.kind, store)}
    restore = label(manifest, RESTORE_LABEL)
    if restore:
        ours.add((RESTORES.kind, restore))
    if manifest["kind"] == CLAIMS.kind:  # of volumeClaimTemplates
        server = names.restored_database(restore) if restore else names.database(store)
        ours.add((STATEFUL_SETS.kind, server))
    owners = manifest["metadata"].get("ownerReferences") or ()
    return any(
        owner.get("controller") and (owner["kind"], owner["name"]) not in ours for owner in owners
    )


def find_condition(manifest: Manifest, kind: str) -> Manifest:
    """Return a condition of a built-in object, whatever its status; empty if it has none."""
    conditions: list[Manifest] = manifest.get("status", {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == kind), {})


def condition(manifest: Manifest, kind: str) -> Manifest | None:
    """Return the condition of a built-in object if it is True; else None."""
    item = find_condition(manifest, kind)
    return item if item.get("status") == "True" else None
