"""Whose an object is that has a name of ours, and what may be written to it."""

from bookstore_operator.core.kinds import BOOKSTORES, CLAIMS, key_of, store_name_of
from bookstore_operator.core.labels import STORE_LABEL
from bookstore_operator.core.lookup import controlled_by_another
from bookstore_operator.core.plan import FIELD_MANAGER, Manifest, ObjectRef
from bookstore_operator.core.snapshot import Rejection
from bookstore_operator.kube.object_cache import StoreKey, trimmed


def name_conflict(existing: Manifest, key: StoreKey) -> Rejection:
    """Return the rejection of a write to somebody else's object that has a name of ours."""
    target = key_of(existing)
    message = (
        f"A {target.kind} named {target.name} exists and does not belong to BookStore "
        f"{key.name}. Rename or delete it, or rename the BookStore."
    )
    is_nobodys = store_name_of(existing) is None and not controlled_by_another(existing, key.name)
    if target.kind == CLAIMS.kind and is_nobodys:
        message += (
            f" If its data is this BookStore's: kubectl label --namespace {key.namespace} "
            f"{CLAIMS.plural} {target.name} {STORE_LABEL}={key.name}."
        )
    return Rejection(target, "NameConflict", message)


def lost_its_label(existing: Manifest, key: StoreKey) -> bool:
    """Whether an object is the operator's own without its label, which the watches need."""
    metadata = existing["metadata"]
    owners = metadata.get("ownerReferences") or ()
    managers = {entry.get("manager") for entry in metadata.get("managedFields") or ()}
    return (
        store_name_of(existing) is None
        and all(owner["name"] == key.name for owner in owners if owner["kind"] == BOOKSTORES.kind)
        and FIELD_MANAGER in managers
    )


def intent_of(manifest: Manifest) -> Manifest:
    """Return what people and others say by an object: all but its status and its version."""
    kept = trimmed(manifest)
    metadata = {
        name: value for name, value in kept["metadata"].items() if name != "resourceVersion"
    }
    return {"metadata": metadata, "spec": kept.get("spec")}


def bookstore_of(key: StoreKey) -> ObjectRef:
    """Return the BookStore as an object that can be read again."""
    return ObjectRef(BOOKSTORES.api_version, BOOKSTORES.kind, key.name)


def gains_owner(existing: Manifest, manifest: Manifest) -> bool:
    """Whether a manifest has an owner that the existing object has not."""
    owners = {owner["uid"] for owner in existing["metadata"].get("ownerReferences") or ()}
    wanted = {owner["uid"] for owner in manifest["metadata"].get("ownerReferences") or ()}
    return not wanted <= owners
