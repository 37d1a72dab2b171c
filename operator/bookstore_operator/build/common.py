"""What all manifests share: labels, owners, and the hardened shape of every container."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

from bookstore_operator.crd import base, bookstore, release
from bookstore_operator.crd.bookstore import BookStore, DeletionPolicy
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.spec.resources import Resources

Object: TypeAlias = dict[str, Any]

STORE_LABEL = "bookstore.dev/store"
COLOUR_LABEL = "bookstore.dev/colour"
REVISION_LABEL = "bookstore.dev/revision"
RELEASE_LABEL = "bookstore.dev/release"
COMPONENT_LABEL = "app.kubernetes.io/component"


class Component(StrEnum):
    """The parts of a bookstore."""

    API = "api"
    DATABASE = "database"
    CACHE = "cache"
    MIGRATION = "migration"
    BACKUP = "backup"


def labels(store: str, component: Component | None = None, **more: str) -> dict[str, str]:
    """Return the labels of an object of a BookStore."""
    own = {COMPONENT_LABEL: component.value} if component else {}
    return {
        "app.kubernetes.io/name": "bookstore",
        "app.kubernetes.io/instance": store,
        "app.kubernetes.io/managed-by": "bookstore-operator",
        STORE_LABEL: store,
        **own,
        **more,
    }


def selector(store: str, component: Component) -> dict[str, str]:
    """Return what selects the Pods of one component of a BookStore."""
    return {
        "app.kubernetes.io/name": "bookstore",
        "app.kubernetes.io/instance": store,
        COMPONENT_LABEL: component.value,
    }


def colour_selector(store: str, colour: release.Colour) -> dict[str, str]:
    """Return what selects the API's Pods of one colour."""
    return {**selector(store, Component.API), COLOUR_LABEL: colour.value}


def release_selector(made: BookStoreRelease) -> dict[str, str]:
    """Return what selects the API's Pods of one release: of its colour and its revision."""
    chosen = colour_selector(made.spec.store_name, made.spec.colour)
    return {**chosen, REVISION_LABEL: str(made.spec.revision)}


def metadata(
    store: BookStore, name: str, component: Component | None = None, owned: bool = True
) -> Object:
    """Return the metadata of an object that goes with its BookStore (or, not owned, stays)."""
    owners = {"ownerReferences": [owned_by_store(store)]} if owned else {}
    return {
        "name": name,
        "namespace": store.metadata.namespace,
        "labels": labels(store.name, component),
        **owners,
    }


def keeps_data(store: BookStore) -> bool:
    """Whether volumes and their password outlive the BookStore."""
    return store.spec.deletion_policy is DeletionPolicy.RETAIN


def owned_by_store(store: BookStore) -> Object:
    """Return the owner reference to a BookStore."""
    return _owner(bookstore.KIND, store.name, store.metadata.uid)


def owned_by_release(made: BookStoreRelease) -> Object:
    """Return the owner reference to a BookStoreRelease."""
    return _owner(release.KIND, made.name, made.metadata.uid)


def _owner(kind: str, name: str, uid: str) -> Object:
    # blockOwnerDeletion would need the right to set finalizers, and nothing here waits for it.
    return {
        "apiVersion": base.API_VERSION,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def pod_security(user: int) -> Object:
    """Return a Pod's security context: what the `restricted` Pod Security Standard asks for."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Object:
    """Return a container's security context: no privilege, nothing to write but volumes."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def resources_of(resources: Resources) -> Object:
    """Return a container's resources."""
    return {key: value for key, value in resources.manifest().items() if value}
