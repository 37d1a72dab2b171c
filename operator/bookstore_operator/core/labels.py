"""The labels of what belongs to a BookStore, and the selectors that find it by them."""

from __future__ import annotations

from enum import StrEnum

from bookstore_operator.crd import release
from bookstore_operator.crd.base import GROUP
from bookstore_operator.crd.release import BookStoreRelease

STORE_LABEL = f"{GROUP}/store"
COLOR_LABEL = f"{GROUP}/color"
REVISION_LABEL = f"{GROUP}/revision"
RELEASE_LABEL = f"{GROUP}/release"
ATTEMPT_LABEL = f"{GROUP}/attempt"
APPLIED_ANNOTATION = f"{GROUP}/applied"
"""The hash of what was applied: a field that is no longer desired shows."""

# Kubernetes' own: what tools show, and what its controllers write.
NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
JOB_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")
SERVICE_NAME_LABEL = "kubernetes.io/service-name"


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
        **instance_selector(store),
        MANAGED_BY_LABEL: "bookstore-operator",
        STORE_LABEL: store,
        **own,
        **more,
    }


def instance_selector(store: str) -> dict[str, str]:
    """Return what selects all Pods of a BookStore."""
    return {NAME_LABEL: "bookstore", INSTANCE_LABEL: store}


def selector(store: str, component: Component) -> dict[str, str]:
    """Return what selects the Pods of one component of a BookStore."""
    return {**instance_selector(store), COMPONENT_LABEL: component.value}


def color_selector(store: str, color: release.Color) -> dict[str, str]:
    """Return what selects the API's Pods of one color."""
    return {**selector(store, Component.API), COLOR_LABEL: color.value}


def release_selector(made: BookStoreRelease) -> dict[str, str]:
    """Return what selects the API's Pods of one release: of its color and its revision."""
    chosen = color_selector(made.spec.store_name, made.spec.color)
    return {**chosen, REVISION_LABEL: str(made.spec.revision)}
