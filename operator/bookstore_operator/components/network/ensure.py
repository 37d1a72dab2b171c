"""The network policies of API, databases and cache."""

from collections.abc import Iterator

from bookstore_operator.components.database.servers import Server, used_servers
from bookstore_operator.components.network.manifests import (
    api_network_policy,
    cache_network_policy,
    database_network_policy,
)
from bookstore_operator.core import names
from bookstore_operator.core.ensure import ensure, ensure_absent
from bookstore_operator.core.kinds import NETWORK_POLICIES, STATEFUL_SETS
from bookstore_operator.core.labels import COMPONENT_LABEL, Component
from bookstore_operator.core.lookup import all_of, find, label
from bookstore_operator.core.plan import Action
from bookstore_operator.core.snapshot import Snapshot


def ensure_network_policies(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the changes of the network policies; their deletion if they are disabled."""
    store = snapshot.store
    if store.spec.network_policy.enabled:
        yield from ensure(snapshot, api_network_policy(store, snapshot.settings.namespace))
        servers = _servers(snapshot)
        for server in servers:
            yield from ensure(snapshot, database_network_policy(store, server))
        if store.spec.cache and store.spec.cache.embedded:
            yield from ensure(snapshot, cache_network_policy(store))
        yield from _of_lost_servers(snapshot, servers)
        return
    for name in (names.api_network_policy, names.database, names.cache):
        policy = find(snapshot, NETWORK_POLICIES, name(store.name))
        yield from ensure_absent(policy, "spec.networkPolicy.enabled is false.")
    yield from _of_lost_servers(snapshot, [])


def _servers(snapshot: Snapshot) -> list[Server]:
    """Return the servers that have Pods, or may get some: the policy must be there first."""
    store = snapshot.store
    own = [Server(store.name)] if store.spec.database.embedded else []
    restored = [Server(store.name, r.name) for r in snapshot.restores if r.spec.into.embedded]
    return [*dict.fromkeys([*own, *used_servers(snapshot), *restored])]


def _of_lost_servers(snapshot: Snapshot, kept: list[Server]) -> Iterator[Action]:
    """Yield the deletion of policies of restored servers that are none of these, nor exist."""
    names_kept = {server.name for server in kept}
    why = "its database does not exist any more, or spec.networkPolicy.enabled is false."
    for policy in all_of(snapshot, NETWORK_POLICIES):
        name = policy["metadata"]["name"]
        if label(policy, COMPONENT_LABEL) != Component.RESTORED_DATABASE or name in names_kept:
            continue
        if not snapshot.store.spec.network_policy.enabled or not find(
            snapshot, STATEFUL_SETS, name
        ):
            yield from ensure_absent(policy, why)
