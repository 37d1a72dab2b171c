"""The components of a BookStore, one package per component. Pure.

A component has its manifests (manifests.py), whether it is ready (gate.py), its conditions
(condition.py) and its actions (ensure.py). COMPONENTS is the one list of them.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from bookstore_operator.components.backup.condition import backup_healthy
from bookstore_operator.components.backup.ensure import ensure_backups
from bookstore_operator.components.cache.condition import cache_healthy, cache_secret_recheck
from bookstore_operator.components.cache.ensure import ensure_cache
from bookstore_operator.components.cache.secrets import cache_keys
from bookstore_operator.components.database.condition import database_migrated
from bookstore_operator.components.database.ensure import ensure_database
from bookstore_operator.components.database.gate import database_ready
from bookstore_operator.components.database.secrets import database_keys, recorded_keys
from bookstore_operator.components.ingress.condition import exposed
from bookstore_operator.components.ingress.condition import look_again as address_due
from bookstore_operator.components.ingress.ensure import ensure_ingress
from bookstore_operator.components.network.ensure import ensure_network_policies
from bookstore_operator.components.preview.ensure import ensure_preview
from bookstore_operator.components.serving.condition import (
    autoscaling_healthy,
    metrics_deadline,
    users_served,
)
from bookstore_operator.components.serving.ensure import ensure_serving
from bookstore_operator.components.signing_keys.condition import signing_keys_healthy
from bookstore_operator.components.signing_keys.ensure import ensure_signing_keys
from bookstore_operator.components.signing_keys.gate import signing_secret_valid
from bookstore_operator.components.signing_keys.secrets import signing_keys
from bookstore_operator.components.smtp.gate import smtp_secret_valid
from bookstore_operator.components.smtp.secrets import smtp_keys
from bookstore_operator.components.staff.ensure import ensure_staff_token
from bookstore_operator.components.staff.gate import staff_secret_valid
from bookstore_operator.components.staff.secrets import staff_keys
from bookstore_operator.components.storage.ensure import ensure_storage
from bookstore_operator.components.storage.gate import volumes_match
from bookstore_operator.core.finding import Finding
from bookstore_operator.core.gate import Answer, Gate
from bookstore_operator.core.plan import Action, Manifest
from bookstore_operator.core.secret_values import Content
from bookstore_operator.core.secrets import UsedKeys
from bookstore_operator.core.snapshot import Blocker, Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.bookstore import BookStore


@dataclass(frozen=True, slots=True)
class Component:
    """The entry points of a component."""

    name: str
    """The name of its package."""
    ensure: Callable[[Snapshot], Iterator[Action]]
    """Yields the actions that make it match the spec."""
    holds_release: bool = True
    """Its actions precede those of the release, which waits when one of them is rejected."""
    secrets: Callable[[BookStore], UsedKeys] | None = None
    """Returns the Secrets that it reads."""
    gate: Gate | None = None
    """Its precondition for readiness, also while there is no release in progress."""
    conditions: tuple[Callable[[Snapshot, Visit, Answer], Finding], ...] = ()
    """Return its conditions from the Snapshot, the visit, and the answer that blocks most."""
    look_again: Callable[[Snapshot, Visit], datetime | None] | None = None
    """Returns when its condition may change without an event; None if it can't."""


def no_objects(_snapshot: Snapshot) -> Iterator[Action]:
    """Yield nothing: all of the component is the user's."""
    yield from ()


COMPONENTS: tuple[Component, ...] = (
    # Serving comes first: a rejected action stops those after it.
    Component(
        "serving",
        ensure_serving,
        conditions=(users_served, autoscaling_healthy),
        look_again=metrics_deadline,
    ),
    Component(
        "database",
        ensure_database,
        secrets=database_keys,
        gate=database_ready,
        conditions=(database_migrated,),
    ),
    Component("staff", ensure_staff_token, secrets=staff_keys, gate=staff_secret_valid),
    Component(
        "signing_keys",
        ensure_signing_keys,
        secrets=signing_keys,
        gate=signing_secret_valid,
        conditions=(signing_keys_healthy,),
    ),
    Component("smtp", no_objects, secrets=smtp_keys, gate=smtp_secret_valid),
    Component("network", ensure_network_policies),
    Component("preview", ensure_preview),
    # A release does not wait for these.
    Component(
        "cache",
        ensure_cache,
        holds_release=False,
        secrets=cache_keys,
        conditions=(cache_healthy,),
        look_again=cache_secret_recheck,
    ),
    Component(
        "ingress",
        ensure_ingress,
        holds_release=False,
        conditions=(exposed,),
        look_again=address_due,
    ),
    Component("backup", ensure_backups, holds_release=False, conditions=(backup_healthy,)),
    # Last, because a StorageClass may reject the growth of a volume.
    Component("storage", ensure_storage, holds_release=False, gate=volumes_match),
)


def ensure_known_components(snapshot: Snapshot, blocker: Blocker) -> Iterator[Action]:
    """Yield the actions of the components for which all is known that they depend on."""
    if blocker.hides_active:
        return
    for component in COMPONENTS:
        if not (blocker.hides_secrets and component.secrets):
            yield from component.ensure(snapshot)


def ensure_components(snapshot: Snapshot, *, holding_release: bool) -> Iterator[Action]:
    """Yield the actions of the components before the release (`holding_release`) or after it."""
    for component in COMPONENTS:
        if component.holds_release is holding_release:
            yield from component.ensure(snapshot)


def secrets_of_interest(store: BookStore, records: Iterable[Manifest] = ()) -> UsedKeys:
    """Return the Secrets and keys that a Snapshot needs. Components may share a Secret.

    Also those of the databases that its releases and restores name.
    """
    used: dict[str, dict[str, Content]] = {}
    mounted = [component.secrets(store) for component in COMPONENTS if component.secrets]
    for wanted in (*mounted, *recorded_keys(store.name, records)):
        for secret, keys in wanted.items():
            used.setdefault(secret, {}).update(keys)
    return used
