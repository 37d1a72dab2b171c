"""How many Pods each color should have, and how many it has."""

from __future__ import annotations

from bookstore_operator.core import history, names
from bookstore_operator.core.kinds import DEPLOYMENTS
from bookstore_operator.core.lookup import find
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import Color

DEFAULT_REPLICAS = 2


def live_size(snapshot: Snapshot) -> int:
    """Return how many Pods serve, or should: what a new color has to match.

    An autoscaler's count is read from the active Deployment and never set, but for one that it
    can't raise itself: 0 switches it off.
    """
    autoscaling = snapshot.store.spec.autoscaling
    if autoscaling is None:
        replicas = snapshot.store.spec.replicas
        return DEFAULT_REPLICAS if replicas is None else replicas
    serving = history.serving_color(snapshot)
    live = size(snapshot, serving) if serving else None
    return live or autoscaling.min_replicas


def size(snapshot: Snapshot, color: Color) -> int | None:
    """Return the replica count that a color's Deployment asks for; None without Deployment."""
    deployment = find(snapshot, DEPLOYMENTS, names.deployment(snapshot.store.name, color))
    if deployment is None:
        return None
    replicas: int = deployment["spec"].get("replicas", 1)
    return replicas
