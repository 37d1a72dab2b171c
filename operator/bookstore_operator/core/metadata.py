"""Metadata of the objects that the operator creates: name, labels, owner."""

from collections.abc import Mapping
from typing import Any

from bookstore_operator.core.kinds import BACKUPS, BOOKSTORES, RELEASES, RESTORES, Resource
from bookstore_operator.core.labels import Component, data_labels, labels
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.backup import BookStoreBackup
from bookstore_operator.crd.bookstore import BookStore, DeletionPolicy
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.restore import BookStoreRestore


def metadata(
    store: BookStore, name: str, component: Component | None = None, owned: bool = True
) -> dict[str, Any]:
    """Return the metadata of an object that is deleted with its BookStore, if `owned`."""
    owners = {"ownerReferences": [owned_by_store(store)]} if owned else {}
    return {
        "name": name,
        "namespace": store.metadata.namespace,
        "labels": labels(store.name, component),
        **owners,
    }


def data_metadata(store: BookStore, name: str, component: Component, owned: bool) -> dict[str, Any]:
    """Return the metadata of a volume claim or its password, which may outlive the BookStore."""
    meta = metadata(store, name, component, owned)
    return {**meta, "labels": data_labels(store.name, component)}


def owned_object(
    resource: Resource, store: BookStore, name: str, component: Component, **fields: Any
) -> Manifest:
    """Return an object that is deleted with its BookStore. `fields` follow its metadata."""
    return {**resource.type_meta, "metadata": metadata(store, name, component), **fields}


def annotated(manifest: Manifest, annotations: Mapping[str, str]) -> Manifest:
    """Return an object with these annotations; as it is without any."""
    if not annotations:
        return manifest
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": dict(annotations)}}


def keeps_data(store: BookStore) -> bool:
    """Whether volumes and their password are kept when the BookStore is deleted.

    With FinalBackup, too, until that backup is verified: see backups/final.py.
    """
    return store.spec.deletion_policy is not DeletionPolicy.DELETE


def owned_by_store(store: BookStore) -> dict[str, Any]:
    """Return the owner reference to a BookStore."""
    return _owner(BOOKSTORES, store.name, store.metadata.uid)


def owned_by_release(release: BookStoreRelease) -> dict[str, Any]:
    """Return the owner reference to a BookStoreRelease."""
    return _owner(RELEASES, release.name, release.metadata.uid)


def owned_by_restore(restore: BookStoreRestore) -> dict[str, Any]:
    """Return the owner reference to a BookStoreRestore."""
    return _owner(RESTORES, restore.name, restore.metadata.uid)


def owned_by_backup(backup: BookStoreBackup) -> dict[str, Any]:
    """Return the owner reference to a BookStoreBackup: deleting it ends its Job."""
    return _owner(BACKUPS, backup.name, backup.metadata.uid)


def _owner(resource: Resource, name: str, uid: str) -> dict[str, Any]:
    # blockOwnerDeletion needs permission to update finalizers, and no deletion here waits for it.
    return {
        **resource.type_meta,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
