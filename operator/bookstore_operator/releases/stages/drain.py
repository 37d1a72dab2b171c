"""Stage Drain: keep the old color running for a while, then scale it to 0."""

from datetime import datetime, timedelta

from bookstore_operator.components.serving.availability import problem_of
from bookstore_operator.components.serving.gate import switch_deadline, switched
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history, names
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.history import superseded_active
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.releases.progress import Progress
from bookstore_operator.workloads import pod_problems, pods
from bookstore_operator.workloads.endpoints import endpoints, slices_of_others

LONGEST_DRAIN_BEFORE_NEXT = timedelta(seconds=30)
"""The longest time that the next release waits for the old color, whatever the spec's delay."""


def drain(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Record when the old color is no longer needed, and that the release succeeded."""
    for gate in (switched, followed):
        answer = visit.ask(gate, snapshot)
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer)
    served_at = release.status.served_at or visit.now
    snapshot = update_status(snapshot, release, served_at=served_at)
    answer = visit.ask(drained, snapshot)
    if not isinstance(answer, Passed):
        return Progress(snapshot, answer)
    for name in superseded_active(snapshot):
        old = next(other for other in snapshot.releases if other.name == name)
        snapshot = update_status(snapshot, old, demoted_at=visit.now)
    promoted = history.active(snapshot) or release
    return Progress(
        update_status(snapshot, promoted, result=Result.SUCCEEDED, reason="Succeeded"), Passed()
    )


def followed(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the active Service sends users to the new color's Pods and to no others.

    Evaluated until it has passed once. The next release waits only shortly for missing Pods, as it
    may be the one that fixes them, but it never takes a color that users are still sent to.
    """
    active = history.active(snapshot)
    if active is None or active.status.served_at:
        return Passed()
    service, behind = names.service(snapshot.store.name), endpoints(snapshot)
    new, ready = pods.of_release(snapshot, active)
    if old := behind.listed - new:
        message = (
            f"Waiting for the endpoints of Service {service} to drop the old color's Pods: "
            f"{len(old)} are left.{_others(snapshot)}"
        )
        deadline = switch_deadline(snapshot)
        late = deadline is not None and now >= deadline
        return Waiting(Reason.SWITCHING, message, None if late else deadline, stalled=late)
    if ready <= behind.ready and (ready or not live_size(snapshot)):
        return Passed()
    until = None if history.matches_spec(snapshot, active) else _before_next(active)
    if until and now >= until:
        return Passed()
    problem = problem_of(snapshot, active, now)
    message = (
        f"Waiting for the endpoints of Service {service} to list the new color's Pods: "
        f"{len(behind.ready)} are listed."
    )
    return pod_problems.wait_for_pods(Reason.SWITCHING, message, problem, until)


def _others(snapshot: Snapshot) -> str:
    """Return a sentence about slices that somebody else makes for the Service."""
    listed = ", ".join(slices_of_others(snapshot))
    if not listed:
        return ""
    return (
        f" EndpointSlice {listed} is made by somebody else, and sends users to other Pods too: "
        "delete it, or correct what makes it."
    )


def drained(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the old color has kept running for the delay since the Service has switched."""
    active = history.active(snapshot)
    if active is None or active.status.served_at is None:
        return Passed()
    if not superseded_active(snapshot) and not history.rolled_back(snapshot):
        return Passed()
    delay = timedelta(seconds=snapshot.store.spec.rollout.scale_down_delay_seconds)
    if not history.matches_spec(snapshot, active):
        delay = min(delay, LONGEST_DRAIN_BEFORE_NEXT)  # the next release needs the color
    end = active.status.served_at + delay
    if now >= end:
        return Passed()
    old = active.spec.color.other.value
    return Waiting(
        Reason.DRAINING, f"The old color, {old}, keeps running until {end:%H:%M:%S}Z.", end
    )


def _before_next(active: BookStoreRelease) -> datetime | None:
    promoted = active.status.promoted_at
    return promoted and promoted + LONGEST_DRAIN_BEFORE_NEXT
