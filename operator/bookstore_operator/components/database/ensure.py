"""Ensure the embedded database, which releases do not change."""

from collections.abc import Iterator

from bookstore_operator.components.database.manifests import (
    database_secret,
    database_secret_keys,
    database_secret_owner,
    database_service,
    database_stateful_set,
)
from bookstore_operator.components.database.secrets import password_lost, volume_being_deleted
from bookstore_operator.components.database.volume import (
    replace_unbound_claim,
    with_existing_volume,
)
from bookstore_operator.core import names
from bookstore_operator.core.ensure import ensure, ensure_secret
from bookstore_operator.core.kinds import CLAIMS, STATEFUL_SETS
from bookstore_operator.core.lookup import find
from bookstore_operator.core.metadata import keeps_data
from bookstore_operator.core.plan import Action, Apply
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.spec.database import EmbeddedDatabase
from bookstore_operator.workloads.stuck import replace_stuck_pods


def ensure_database(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the changes of the embedded database; nothing if its password is lost.

    If then its volume claim is deleted too, the server is stopped: the claim is only deleted when
    no Pod uses it, and the StatefulSet would create the next Pod with it.
    """
    store = snapshot.store
    embedded = store.spec.database.embedded
    if embedded is None:
        return
    if password_lost(snapshot):
        if volume_being_deleted(snapshot):
            yield from _stop(snapshot, embedded)
        return
    # A StatefulSet uses any claim with the name, and a new password would not work with its data.
    volume = CLAIMS.ref(names.database_claim(store.name))
    secret, keys = database_secret(store), database_secret_keys(store)
    why = "The embedded database has no password yet."
    yield from ensure_secret(snapshot, secret, keys, why, guards=(volume,))
    yield from ensure(snapshot, database_service(store))
    wanted = database_stateful_set(store, embedded, snapshot.settings.postgres_image)
    observed = find(snapshot, STATEFUL_SETS, names.database(store.name))
    if replaced := list(replace_unbound_claim(snapshot, wanted, observed)):
        yield from replaced
        return
    server = with_existing_volume(wanted, observed)
    yield from _secret_owner(snapshot, server["spec"]["persistentVolumeClaimRetentionPolicy"])
    yield from ensure(snapshot, server, guards=(volume,))
    yield from replace_stuck_pods(snapshot, observed)


def _stop(snapshot: Snapshot, embedded: EmbeddedDatabase) -> Iterator[Action]:
    wanted = database_stateful_set(snapshot.store, embedded, snapshot.settings.postgres_image)
    observed = find(snapshot, STATEFUL_SETS, names.database(snapshot.store.name))
    server = with_existing_volume(wanted, observed)
    yield from ensure(snapshot, {**server, "spec": {**server["spec"], "replicas": 0}})


def _secret_owner(snapshot: Snapshot, policy: dict[str, str]) -> Iterator[Action]:
    """Yield the owner of the Secret, so that it is kept or deleted like its volume.

    The owners are unknown of a Secret that is created in the same Plan. It is applied just before
    the StatefulSet, so the StatefulSet's retention policy shows what the Secret has.
    """
    store = snapshot.store
    owners = snapshot.secret_owners.get(names.database(store.name))
    server = find(snapshot, STATEFUL_SETS, names.database(store.name))
    if owners is not None and (store.metadata.uid in owners) is not keeps_data(store):
        return
    retention = server and server["spec"].get("persistentVolumeClaimRetentionPolicy")
    if owners is None and retention == policy:
        return
    yield Apply(
        database_secret_owner(snapshot.store),
        "Update",
        f"The database's Secret follows its volume: {policy['whenDeleted']}.",
    )
