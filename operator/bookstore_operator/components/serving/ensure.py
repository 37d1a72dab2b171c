"""Make the active Deployment, the Service and the autoscaler follow the promoted release."""

from collections.abc import Iterator

from bookstore_operator.components.serving.availability import deployment_of, runs
from bookstore_operator.components.serving.manifests import (
    active_service,
    autoscaler,
    deployment,
    disruption_budget,
)
from bookstore_operator.components.serving.replicas import live_size, size
from bookstore_operator.core import history, names
from bookstore_operator.core.ensure import ensure, ensure_absent
from bookstore_operator.core.kinds import AUTOSCALERS, DEPLOYMENTS, SERVICES
from bookstore_operator.core.lookup import find, owned_by
from bookstore_operator.core.plan import Action, Scale
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease, Color
from bookstore_operator.crd.stages import needs_idle_color


def ensure_serving(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the changes that make serving follow the recorded promotion, the Service first."""
    store = snapshot.store
    active = history.active(snapshot)
    if active is None:
        yield from _ensure_former_absent(snapshot)
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


def _ensure_former_absent(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the deletion of what a former BookStore has left that serves another release."""
    store = snapshot.store
    if snapshot.orphaned_releases:
        return
    newest = history.newest(snapshot)
    needed = {names.deployment(store.name, newest.spec.color)} if newest else set()
    left = [find(snapshot, SERVICES, names.service(store.name))]
    left += [
        find(snapshot, DEPLOYMENTS, name)
        for color in Color
        if (name := names.deployment(store.name, color)) not in needed
    ]
    for manifest in left:
        if manifest and not owned_by(manifest, store.metadata.uid):
            yield from ensure_absent(manifest, "it was left by a former BookStore.")


def _ensure_idle_color_scaled_down(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the scaling of the idle color to 0, unless a release starts it or it drains.

    As long as users can be sent back to it by a switch, it has the size of the active one. One that
    a former BookStore has left is deleted: the next release that needs it creates it.
    """
    newest = history.newest(snapshot)
    starting = newest and newest.in_flight and needs_idle_color(newest.status.stage)
    color = history.idle_color(snapshot)
    if snapshot.blocker:  # another release may need the color
        return
    if newest and starting:
        yield from _ensure_started_color_sized(snapshot, newest)
        return
    if history.draining(snapshot):
        if history.superseded_active(snapshot) and size(snapshot, color) is not None:
            yield from ensure_scale(snapshot, color, live_size(snapshot), "to stay warm")
        return
    idle = find(snapshot, DEPLOYMENTS, names.deployment(snapshot.store.name, color))
    if idle and not owned_by(idle, snapshot.store.metadata.uid):
        yield from ensure_absent(idle, "it was left by a former BookStore.")
    elif size(snapshot, color):
        yield from ensure_scale(snapshot, color, 0, "no longer needed")


def _ensure_started_color_sized(snapshot: Snapshot, newest: BookStoreRelease) -> Iterator[Action]:
    """Yield the scaling of a color that was started before the size of the active one changed.

    Stage Start scales it itself, because it must run the release's template first.
    """
    running = deployment_of(snapshot, newest)
    if newest.status.stage != "Start" and running and runs(running, newest):
        size_of_active = live_size(snapshot)
        yield from ensure_scale(
            snapshot, newest.spec.color, size_of_active, "to match the active color"
        )


def ensure_scale(snapshot: Snapshot, color: Color, replicas: int, why: str) -> Iterator[Action]:
    """Yield a Scale unless a color's Deployment has this size. A new Deployment starts with 1."""
    current = size(snapshot, color)
    if (1 if current is None else current) != replicas:
        name = names.deployment(snapshot.store.name, color)
        yield Scale(name, replicas, "Scale", f"Deployment {name} to {replicas} replicas, {why}.")
