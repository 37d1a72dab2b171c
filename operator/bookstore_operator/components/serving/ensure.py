"""Make the active Deployment, the Service and the autoscaler follow the promoted release."""

from collections.abc import Iterator

from bookstore_operator.components.serving.manifests import (
    active_service,
    autoscaler,
    deployment,
    disruption_budget,
)
from bookstore_operator.components.serving.replicas import live_size, size
from bookstore_operator.core import history, names
from bookstore_operator.core.ensure import ensure, ensure_absent
from bookstore_operator.core.kinds import AUTOSCALERS
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Action, Scale
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import Color
from bookstore_operator.crd.stages import needs_idle_color


def ensure_serving(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the changes that make serving follow the recorded promotion, the Service first."""
    store = snapshot.store
    active = history.active(snapshot)
    if active is None:
        return
    color = active.spec.color
    yield from ensure(snapshot, active_service(store, active), irreversible=True)
    yield from ensure(snapshot, disruption_budget(store, color))
    autoscaling = store.spec.autoscaling
    if autoscaling:
        yield from ensure(snapshot, autoscaler(store, autoscaling, color))
    else:
        old = find(snapshot, AUTOSCALERS, names.service(store.name))
        yield from ensure_absent(old, "spec.autoscaling was removed.")
    yield from ensure(snapshot, deployment(store, active))
    yield from ensure_scale(snapshot, color, live_size(snapshot), "to match the spec")
    yield from _ensure_idle_color_scaled_down(snapshot)


def _ensure_idle_color_scaled_down(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the scaling of the idle color to 0, unless a release starts it or it drains."""
    newest = history.newest(snapshot)
    starting = newest and newest.in_flight and needs_idle_color(newest.status.stage)
    color = history.idle_color(snapshot)
    if snapshot.blocker:  # another release may need the color
        return
    if not starting and not history.draining(snapshot) and size(snapshot, color):
        yield from ensure_scale(snapshot, color, 0, "no longer needed")


def ensure_scale(snapshot: Snapshot, color: Color, replicas: int, why: str) -> Iterator[Action]:
    """Yield a Scale unless a color's Deployment has this size. A new Deployment starts with 1."""
    current = size(snapshot, color)
    if (1 if current is None else current) != replicas:
        name = names.deployment(snapshot.store.name, color)
        yield Scale(name, replicas, "Scale", f"Deployment {name} to {replicas} replicas, {why}.")
