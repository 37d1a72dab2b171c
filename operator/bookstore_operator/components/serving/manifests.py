"""The manifests of a color's Deployment, the Service, the autoscaler, the disruption budget."""

from __future__ import annotations

from bookstore_operator.core import names
from bookstore_operator.core.kinds import AUTOSCALERS, DEPLOYMENTS, DISRUPTION_BUDGETS, SERVICES
from bookstore_operator.core.labels import (
    COLOR_LABEL,
    REVISION_LABEL,
    Component,
    color_selector,
    release_selector,
)
from bookstore_operator.core.metadata import metadata
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease, Color
from bookstore_operator.crd.spec.autoscaling import Autoscaling


def deployment(store: BookStore, release: BookStoreRelease) -> Manifest:
    """Return the Deployment of a release, without replicas: only /scale sets them."""
    color = release.spec.color
    meta = metadata(store, names.deployment(store.name, color), Component.API)
    meta["labels"] |= {COLOR_LABEL: color.value, REVISION_LABEL: str(release.spec.revision)}
    return {
        **DEPLOYMENTS.type_meta,
        "metadata": meta,
        "spec": {
            "selector": {"matchLabels": color_selector(store.name, color)},
            "template": release.spec.template(),
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0},
            },
            "progressDeadlineSeconds": store.spec.rollout.progress_deadline_seconds,
            "revisionHistoryLimit": 2,
        },
    }


def active_service(store: BookStore, active: BookStoreRelease) -> Manifest:
    """Return the Service, which selects the promoted release's Pods."""
    spec = store.spec.service
    node_port = {"nodePort": spec.node_port} if spec.node_port else {}
    return {
        **SERVICES.type_meta,
        "metadata": metadata(store, names.service(store.name), Component.API),
        "spec": {
            "type": spec.type.value,
            "selector": release_selector(active),
            "ports": [
                {
                    "name": "http",
                    "port": spec.port,
                    "targetPort": "http",
                    "protocol": "TCP",
                    **node_port,
                }
            ],
        },
    }


def autoscaler(store: BookStore, spec: Autoscaling, active: Color) -> Manifest:
    """Return the only HorizontalPodAutoscaler: two with overlapping Pods disable each other."""
    return {
        **AUTOSCALERS.type_meta,
        "metadata": metadata(store, names.service(store.name), Component.API),
        "spec": {
            "scaleTargetRef": {
                **DEPLOYMENTS.type_meta,
                "name": names.deployment(store.name, active),
            },
            "minReplicas": spec.min_replicas,
            "maxReplicas": spec.max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {
                            "type": "Utilization",
                            "averageUtilization": spec.target_cpu_percent,
                        },
                    },
                }
            ],
        },
    }


def disruption_budget(store: BookStore, active: Color) -> Manifest:
    """Return the PodDisruptionBudget: one Pod of the active color may be evicted at a time."""
    return {
        **DISRUPTION_BUDGETS.type_meta,
        "metadata": metadata(store, names.service(store.name), Component.API),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": color_selector(store.name, active)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
