"""The embedded database, which no release changes."""

from __future__ import annotations

from collections.abc import Iterator

from bookstore_operator.build import database as build
from bookstore_operator.core import names
from bookstore_operator.core.ensure import desired
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Action, Apply, CreateSecret
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.gates.database import password_lost


def database(snapshot: Snapshot) -> Iterator[Action]:
    """Yield what the embedded database lacks."""
    store = snapshot.store
    embedded = store.spec.database.embedded
    if embedded is None or password_lost(snapshot):
        return
    if names.database(store.name) not in snapshot.secrets:
        yield CreateSecret(
            build.database_secret(store),
            build.database_secret_keys(store),
            "Create",
            "The embedded database has no password yet.",
        )
    yield from desired(snapshot, build.database_service(store))
    server = build.database_stateful_set(store, embedded, snapshot.settings.postgres_image)
    yield from _secret_owner(snapshot, server["spec"]["persistentVolumeClaimRetentionPolicy"])
    yield from desired(snapshot, server)


def _secret_owner(snapshot: Snapshot, policy: dict[str, str]) -> Iterator[Action]:
    """Let the Secret stay or go as its volume does.

    Of Secrets only the keys are observed. So the StatefulSet, which says what becomes of the
    volume, tells what was applied to the Secret just before it.
    """
    server = find(snapshot, "StatefulSet", names.database(snapshot.store.name))
    if server and server["spec"].get("persistentVolumeClaimRetentionPolicy") == policy:
        return
    yield Apply(
        build.database_secret_owner(snapshot.store),
        "Update",
        f"The database's Secret goes with its volume: {policy['whenDeleted']}.",
    )
