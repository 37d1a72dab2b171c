"""The labels of a BookStore's objects, and the selectors that use them."""

from collections.abc import Mapping
from enum import StrEnum

from bookstore_operator.crd import release
from bookstore_operator.crd.base import GROUP
from bookstore_operator.crd.release import BookStoreRelease

STORE_LABEL = f"{GROUP}/store"
COLOR_LABEL = f"{GROUP}/color"
REVISION_LABEL = f"{GROUP}/revision"
RELEASE_LABEL = f"{GROUP}/release"
ATTEMPT_LABEL = f"{GROUP}/attempt"
CHECK_LABEL = f"{GROUP}/check"
RESTORE_LABEL = f"{GROUP}/restore"
APPLIED_ANNOTATION = f"{GROUP}/applied"
"""The hash of the applied manifest: it changes when a field is no longer desired."""
TEMPLATE_ANNOTATION = f"{GROUP}/template"
"""The hash of the template that a backup Job was created from."""

DATABASE_ANNOTATION = f"{GROUP}/database"
"""The identity of the database that a backup Job was to back up, when it was created."""

VERIFY_ANNOTATION = f"{GROUP}/verify"
"""On a BookStoreBackup, set by people: asks for a verification. Each new value is another request;
the status has the last one that was carried out."""
SIGNING_KEYS_ANNOTATION = f"{GROUP}/signing-keys"
"""On the Secret of the signing keys: since when each key has its state, for rotating them."""
ROTATE_ANNOTATION = f"{GROUP}/rotate-keys"
"""On a BookStore, set by people: asks for another signing key. Each new value is another request;
the Secret's record has the last one that was carried out."""
DEFAULT_CONTAINER_ANNOTATION = "kubectl.kubernetes.io/default-container"

# Kubernetes' own labels, which tools display or its controllers write.
NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
JOB_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")
REVISION_HASH_LABEL = "controller-revision-hash"
SERVICE_NAME_LABEL = "kubernetes.io/service-name"


class Component(StrEnum):
    """The parts of a bookstore."""

    API = "api"
    DATABASE = "database"
    RESTORED_DATABASE = "restored-database"
    CACHE = "cache"
    MIGRATION = "migration"
    CHECK = "check"
    BACKUP = "backup"
    RESTORE = "restore"
    VERIFY = "verify"
    DRILL = "drill"


MAIN_CONTAINERS: Mapping[str, str] = {
    Component.API: "api",
    Component.DATABASE: "postgres",
    Component.RESTORED_DATABASE: "postgres",
    Component.CACHE: "valkey",
    Component.MIGRATION: "migrate",
    Component.CHECK: "check",
    Component.BACKUP: "backup",
    Component.RESTORE: "restore",
    Component.VERIFY: "backup",
    Component.DRILL: "check",
}
"""The name of the container that does a component's work; webhooks may add others to its Pods."""
DRILL_SERVER, DRILL_CONTAINER = "postgres", "drill"
OWN_INIT_CONTAINERS: Mapping[str, frozenset[str]] = {
    Component.DRILL: frozenset({DRILL_SERVER, DRILL_CONTAINER})
}
"""The names of the containers that the operator starts before that one."""


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


def data_labels(store: str, component: Component) -> dict[str, str]:
    """Return the labels of what outlives its BookStore: volume claims and their password.

    Without the instance: Argo CD deletes objects that have no owner and whose instance is the name
    of an application, unless they are in its repository.
    """
    own = labels(store, component)
    return {key: value for key, value in own.items() if key != INSTANCE_LABEL}


def database_selector(store: str, component: Component = Component.DATABASE) -> dict[str, str]:
    """Return the selector of the database's StatefulSet, whose labels its volume claim gets."""
    return {
        NAME_LABEL: "bookstore",
        STORE_LABEL: store,
        COMPONENT_LABEL: component.value,
    }


def instance_selector(store: str) -> dict[str, str]:
    """Return the selector of all Pods of a BookStore."""
    return {NAME_LABEL: "bookstore", INSTANCE_LABEL: store}


def selector(store: str, component: Component) -> dict[str, str]:
    """Return the selector of the Pods of one component of a BookStore."""
    return {**instance_selector(store), COMPONENT_LABEL: component.value}


def operator_selector() -> dict[str, str]:
    """Return the selector of the operator's own Pods, as in manifests/base/deployment.yaml."""
    return {NAME_LABEL: "bookstore-operator"}


def color_selector(store: str, color: release.Color) -> dict[str, str]:
    """Return the selector of the API's Pods of one color."""
    return {**selector(store, Component.API), COLOR_LABEL: color.value}


def release_selector(of: BookStoreRelease) -> dict[str, str]:
    """Return the selector of the API's Pods of one release: of its color and its revision."""
    by_color = color_selector(of.spec.store_name, of.spec.color)
    return {**by_color, REVISION_LABEL: str(of.spec.revision)}
