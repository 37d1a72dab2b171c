"""What keeps enough Pods of the active colour: autoscaler and disruption budget."""

from __future__ import annotations

from bookstore_operator.core import names
from bookstore_operator.core.labels import Component, colour_selector
from bookstore_operator.core.metadata import Object, metadata
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import Colour
from bookstore_operator.crd.spec.autoscaling import Autoscaling


def autoscaler(store: BookStore, wanted: Autoscaling, active: Colour) -> Object:
    """Return the one HorizontalPodAutoscaler: two with overlapping Pods disable each other."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(store, names.service(store.name), Component.API),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": names.deployment(store.name, active),
            },
            "minReplicas": wanted.min_replicas,
            "maxReplicas": wanted.max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {
                            "type": "Utilization",
                            "averageUtilization": wanted.target_cpu_percent,
                        },
                    },
                }
            ],
        },
    }


def disruption_budget(store: BookStore, active: Colour) -> Object:
    """Return the budget that lets drained nodes take one Pod of the active colour at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(store, names.service(store.name), Component.API),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": colour_selector(store.name, active)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
