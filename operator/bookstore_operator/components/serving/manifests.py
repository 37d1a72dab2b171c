"""The manifests of a color's Deployment, the Service, the autoscaler, the disruption budget."""

from bookstore_operator.core import names
from bookstore_operator.core.kinds import AUTOSCALERS, DEPLOYMENTS, DISRUPTION_BUDGETS, SERVICES
from bookstore_operator.core.labels import (
    COLOR_LABEL,
    REVISION_LABEL,
    Component,
    color_selector,
    release_selector,
)
from bookstore_operator.core.metadata import annotated, metadata, owned_object
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
            "paused": False,
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
    service = store.spec.service
    node_port = {"nodePort": service.node_port} if service.node_port else {}
    optional = {
        "loadBalancerClass": service.load_balancer_class,
        "externalTrafficPolicy": service.external_traffic_policy,
    }
    spec = {
        "type": service.type.value,
        **{name: str(value) for name, value in optional.items() if value},
        "ipFamilyPolicy": service.ip_family_policy.value,
        "selector": release_selector(active),
        "publishNotReadyAddresses": False,
        "ports": [
            {
                "name": "http",
                "port": service.port,
                "targetPort": "http",
                "protocol": "TCP",
                **node_port,
            }
        ],
    }
    manifest = owned_object(SERVICES, store, names.service(store.name), Component.API, spec=spec)
    return annotated(manifest, service.annotations)


def autoscaler(store: BookStore, autoscaling: Autoscaling, active: Color) -> Manifest:
    """Return the only HorizontalPodAutoscaler: two with overlapping Pods disable each other."""
    spec = {
        "scaleTargetRef": {
            **DEPLOYMENTS.type_meta,
            "name": names.deployment(store.name, active),
        },
        "minReplicas": autoscaling.min_replicas,
        "maxReplicas": autoscaling.max_replicas,
        "behavior": {
            "scaleDown": {
                "stabilizationWindowSeconds": autoscaling.scale_down_stabilization_seconds
            }
        },
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {
                        "type": "Utilization",
                        "averageUtilization": autoscaling.target_cpu_percent,
                    },
                },
            }
        ],
    }
    return owned_object(AUTOSCALERS, store, names.service(store.name), Component.API, spec=spec)


def disruption_budget(store: BookStore, active: Color) -> Manifest:
    """Return the PodDisruptionBudget: one Pod of the active color may be evicted at a time.

    Pods that are not ready count as evicted: all of them can be so for some seconds, as while the
    database starts on another node, and a drain must not take them all at that moment.
    """
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": color_selector(store.name, active)},
        "unhealthyPodEvictionPolicy": "IfHealthyBudget",
    }
    return owned_object(
        DISRUPTION_BUDGETS, store, names.service(store.name), Component.API, spec=spec
    )
