"""The active Service: what users reach."""

from __future__ import annotations

from bookstore_operator.core import names
from bookstore_operator.core.labels import Component, release_selector
from bookstore_operator.core.metadata import Object, metadata
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease


def active_service(store: BookStore, active: BookStoreRelease) -> Object:
    """Return the Service that follows the recorded promoted release."""
    wanted = store.spec.service
    node_port = {"nodePort": wanted.node_port} if wanted.node_port else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(store, names.service(store.name), Component.API),
        "spec": {
            "type": wanted.type.value,
            "selector": release_selector(active),
            "ports": [
                {
                    "name": "http",
                    "port": wanted.port,
                    "targetPort": "http",
                    "protocol": "TCP",
                    **node_port,
                }
            ],
        },
    }
