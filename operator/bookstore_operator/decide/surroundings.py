"""What stands around API and database: network policies and backups."""

from __future__ import annotations

from collections.abc import Iterator

from bookstore_operator.build.backup import backup_claim, backup_cron_job
from bookstore_operator.build.network import (
    api_network_policy,
    cache_network_policy,
    database_network_policy,
)
from bookstore_operator.core import names
from bookstore_operator.core.ensure import desired, undesired
from bookstore_operator.core.lookup import find
from bookstore_operator.core.metadata import Object
from bookstore_operator.core.plan import Action
from bookstore_operator.core.snapshot import Snapshot


def network_policies(snapshot: Snapshot) -> Iterator[Action]:
    """Yield what differs in the network policies."""
    store = snapshot.store
    if store.spec.network_policy.enabled:
        yield from desired(snapshot, api_network_policy(store))
        if store.spec.database.embedded:
            yield from desired(snapshot, database_network_policy(store))
        if store.spec.cache and store.spec.cache.embedded:
            yield from desired(snapshot, cache_network_policy(store))
        return
    for name in (
        names.api_network_policy(store.name),
        names.database_network_policy(store.name),
        names.cache_network_policy(store.name),
    ):
        yield from undesired(
            find(snapshot, "NetworkPolicy", name), "spec.networkPolicy.enabled is false."
        )


def backups(snapshot: Snapshot) -> Iterator[Action]:
    """Yield what differs in the backups. The dumps stay when their schedule goes."""
    store = snapshot.store
    backup = store.spec.backup
    if backup is None:
        old = find(snapshot, "CronJob", names.backup(store.name))
        yield from undesired(old, "spec.backup is gone.")
        return
    yield from desired(snapshot, _fitting(snapshot, backup_claim(store, backup)))
    image = snapshot.settings.postgres_image
    yield from desired(snapshot, backup_cron_job(store, backup, image))


def _fitting(snapshot: Snapshot, claim: Object) -> Object:
    """Return a claim with the spec of the one that is there: it can't be changed any more."""
    there = find(snapshot, "PersistentVolumeClaim", claim["metadata"]["name"])
    if there is None:
        return claim
    return {**claim, "spec": {key: there["spec"].get(key) for key in claim["spec"]}}
