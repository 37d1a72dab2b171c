"""The NetworkPolicies of API, database and cache."""

from bookstore_operator.components.cache import manifests as cache
from bookstore_operator.components.database import manifests as database
from bookstore_operator.components.database.servers import Server
from bookstore_operator.core import names
from bookstore_operator.core.contract import INTERNAL_PORT, PUBLIC_PORT
from bookstore_operator.core.kinds import NETWORK_POLICIES
from bookstore_operator.core.labels import (
    COMPONENT_LABEL,
    Component,
    instance_selector,
    operator_selector,
    selector,
)
from bookstore_operator.core.metadata import owned_object
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.spec.network_policy import Scrapers


def api_network_policy(store: BookStore, operator_namespace: str) -> Manifest:
    """Return the policy of the API's Pods: any client may connect to the public port only.

    The internal port is open to the operator, which reads the metrics of a release, and to
    `spec.networkPolicy.monitoring`. The kubelet's probes come from the Pod's own node, from which
    traffic is always allowed.
    """
    public = {"ports": [{"protocol": "TCP", "port": PUBLIC_PORT}]}
    operator = Scrapers(
        namespace_labels={"kubernetes.io/metadata.name": operator_namespace},
        pod_labels=operator_selector(),
    )
    scrapers = store.spec.network_policy.monitoring
    internal = [_internal(peers) for peers in (operator, scrapers) if peers]
    return _policy(store, names.api_network_policy(store.name), Component.API, [public, *internal])


def _internal(scrapers: Scrapers) -> Manifest:
    selectors = {"namespaceSelector": scrapers.namespace_labels, "podSelector": scrapers.pod_labels}
    peer = {
        selector: {"matchLabels": labels}
        for selector, labels in selectors.items()
        if labels is not None
    }
    return {"from": [peer], "ports": [{"protocol": "TCP", "port": INTERNAL_PORT}]}


def database_network_policy(store: BookStore, server: Server) -> Manifest:
    """Return the policy of an embedded database: only this BookStore's Pods may connect."""
    clients = [
        *(Component.API.value, Component.MIGRATION.value, Component.CHECK.value),
        *(Component.BACKUP.value, Component.RESTORE.value),
    ]
    only = {
        "podSelector": {
            "matchLabels": instance_selector(store.name),
            "matchExpressions": [{"key": COMPONENT_LABEL, "operator": "In", "values": clients}],
        }
    }
    ports = [{"protocol": "TCP", "port": database.PORT}]
    ingress: list[Manifest] = [{"from": [only], "ports": ports}]
    policy = _policy(store, server.name, server.component, ingress)
    metadata = {**policy["metadata"], "labels": server.labels}
    spec = {**policy["spec"], "podSelector": {"matchLabels": server.selector}}
    return {**policy, "metadata": metadata, "spec": spec}


def cache_network_policy(store: BookStore) -> Manifest:
    """Return the policy of the embedded cache: only this BookStore's API may connect."""
    only = {"podSelector": {"matchLabels": selector(store.name, Component.API)}}
    return _policy(
        store,
        names.cache(store.name),
        Component.CACHE,
        [{"from": [only], "ports": [{"protocol": "TCP", "port": cache.PORT}]}],
    )


def _policy(store: BookStore, name: str, component: Component, ingress: list[Manifest]) -> Manifest:
    spec = {
        "podSelector": {"matchLabels": selector(store.name, component)},
        "policyTypes": ["Ingress"],
        "ingress": ingress,
    }
    return owned_object(NETWORK_POLICIES, store, name, component, spec=spec)
