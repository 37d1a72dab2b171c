"""The labels of what belongs to a BookStore, and the selectors that find it by them."""

from __future__ import annotations

from enum import StrEnum

from bookstore_operator.crd import release
from bookstore_operator.crd.release import BookStoreRelease

STORE_LABEL = "bookstore.dev/store"
COLOUR_LABEL = "bookstore.dev/colour"
REVISION_LABEL = "bookstore.dev/revision"
RELEASE_LABEL = "bookstore.dev/release"
ATTEMPT_LABEL = "bookstore.dev/attempt"
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
