"""The number of Pods that a color should have, and the number that it has."""

from bookstore_operator.core import history, names
from bookstore_operator.core.kinds import DEPLOYMENTS
from bookstore_operator.core.lookup import find
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import Color


def live_size(snapshot: Snapshot) -> int:
    """Return the number of Pods that serve, or should: the size that a new color must have.

    With an autoscaler it is the replica count of the active Deployment, which the autoscaler sets.
    If that is 0, it is minReplicas: a HorizontalPodAutoscaler does not scale up from 0.
    """
    autoscaling = snapshot.store.spec.autoscaling
    if autoscaling is None:
        return snapshot.store.spec.replicas
    serving = history.serving_color(snapshot)
    live = size(snapshot, serving) if serving else None
    return live or autoscaling.min_replicas


def size(snapshot: Snapshot, color: Color) -> int | None:
    """Return the replica count of a color's Deployment; None if there is no Deployment."""
    deployment = find(snapshot, DEPLOYMENTS, names.deployment(snapshot.store.name, color))
    if deployment is None:
        return None
    replicas: int = deployment["spec"].get("replicas", 1)
    return replicas
