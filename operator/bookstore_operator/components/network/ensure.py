"""The network policies of API, database and cache."""

from collections.abc import Iterator

from bookstore_operator.components.network.manifests import (
    api_network_policy,
    cache_network_policy,
    database_network_policy,
)
from bookstore_operator.core import names
from bookstore_operator.core.ensure import ensure, ensure_absent
from bookstore_operator.core.kinds import NETWORK_POLICIES
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Action
from bookstore_operator.core.snapshot import Snapshot


def ensure_network_policies(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the changes of the network policies; their deletion if they are disabled."""
    store = snapshot.store
    if store.spec.network_policy.enabled:
        yield from ensure(snapshot, api_network_policy(store, snapshot.settings.namespace))
        if store.spec.database.embedded:
            yield from ensure(snapshot, database_network_policy(store))
        if store.spec.cache and store.spec.cache.embedded:
            yield from ensure(snapshot, cache_network_policy(store))
        return
    for name in (names.api_network_policy, names.database, names.cache):
        policy = find(snapshot, NETWORK_POLICIES, name(store.name))
        yield from ensure_absent(policy, "spec.networkPolicy.enabled is false.")
