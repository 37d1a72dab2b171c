"""Who may open connections to the Pods."""

from __future__ import annotations

from bookstore_operator import names
from bookstore_operator.build import database
from bookstore_operator.build.common import (
    COMPONENT_LABEL,
    Component,
    Object,
    metadata,
    selector,
)
from bookstore_operator.build.pod import PUBLIC_PORT
from bookstore_operator.model.bookstore import BookStore


def api_network_policy(store: BookStore) -> Object:
    """Return the policy of the API's Pods: anyone may reach the public port, and no other.

    The kubelet's probes come from the node itself, which no policy holds back.
    """
    return _policy(
        store,
        names.api_network_policy(store.name),
        Component.API,
        {"ports": [{"protocol": "TCP", "port": PUBLIC_PORT}]},
    )


def database_network_policy(store: BookStore) -> Object:
    """Return the policy of the embedded database: only this BookStore's own Pods reach it."""
    clients = [Component.API.value, Component.MIGRATION.value, Component.BACKUP.value]
    own = {"app.kubernetes.io/name": "bookstore", "app.kubernetes.io/instance": store.name}
    only = {
        "podSelector": {
            "matchLabels": own,
            "matchExpressions": [{"key": COMPONENT_LABEL, "operator": "In", "values": clients}],
        }
    }
    return _policy(
        store,
        names.database_network_policy(store.name),
        Component.DATABASE,
        {"from": [only], "ports": [{"protocol": "TCP", "port": database.PORT}]},
    )


def _policy(store: BookStore, name: str, component: Component, ingress: Object) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(store, name, component),
        "spec": {
            "podSelector": {"matchLabels": selector(store.name, component)},
            "policyTypes": ["Ingress"],
            "ingress": [ingress],
        },
    }
