"""Stage Drain: keep the old color warm for a while, then give it up."""

from __future__ import annotations

from datetime import datetime, timedelta

from bookstore_operator.components.serving.availability import problem_of
from bookstore_operator.components.serving.gate import switched
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history, names
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.history import superseded_active
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import recorded
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.releases.progress import Progress
from bookstore_operator.workloads import pod_problems, pods
from bookstore_operator.workloads.endpoints import endpoints

LONGEST_DRAIN_BEFORE_NEXT = timedelta(seconds=30)
"""How long at most a next release waits for the old color, whatever the delay asked for."""


def drain(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Record the end of the old color, and with it the success of the release."""
    for gate in (switched, followed):
        answer = visit.ask(gate, snapshot)
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer)
    served_at = release.status.served_at or visit.now
    snapshot = recorded(snapshot, release, served_at=served_at)
    answer = visit.ask(drained, snapshot)
    if not isinstance(answer, Passed):
        return Progress(snapshot, answer)
    for name in superseded_active(snapshot):
        old = next(other for other in snapshot.releases if other.name == name)
        snapshot = recorded(snapshot, old, demoted_at=visit.now)
    promoted = history.active(snapshot) or release
    return Progress(
        recorded(snapshot, promoted, result=Result.SUCCEEDED, reason="Succeeded"),
        Passed(),
    )


def followed(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the active Service sends users to the new color's Pods and to no others.

    It is asked until it was so once. A next release does not wait long for Pods that are missing,
    for it may be what mends them; but it never takes a color that users are still sent to.
    """
    active = history.active(snapshot)
    if active is None or active.status.served_at:
        return Passed()
    service, found = names.service(snapshot.store.name), endpoints(snapshot)
    new, ready = pods.of_release(snapshot, active)
    if old := found.listed - new:
        told = f"to lose the old color's Pods, of which {len(old)} are left."
        return Waiting(Reason.SWITCHING, f"Waiting for the endpoints of Service {service} {told}")
    if ready <= found.ready and (ready or not live_size(snapshot)):
        return Passed()
    until = None if history.wants(snapshot, active) else _before_next(active)
    if until and now >= until:
        return Passed()
    problem = problem_of(snapshot, active)
    told = (
        f"Waiting for the endpoints of Service {service} to be the new color's Pods: "
        f"{len(found.ready)} are."
    )
    reason = pod_problems.reason_or(Reason.SWITCHING, problem)
    return Waiting(reason, pod_problems.append_problem(told, problem), until)


def drained(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the old color has been kept warm long enough since users left it."""
    active = history.active(snapshot)
    if active is None or active.status.served_at is None or not superseded_active(snapshot):
        return Passed()
    delay = timedelta(seconds=snapshot.store.spec.rollout.scale_down_delay_seconds)
    if not history.wants(snapshot, active):
        delay = min(delay, LONGEST_DRAIN_BEFORE_NEXT)  # the next release needs the color
    end = active.status.served_at + delay
    if now >= end:
        return Passed()
    old = active.spec.color.other.value
    return Waiting(
        Reason.DRAINING, f"The old color, {old}, is kept warm until {end:%H:%M:%S}Z.", end
    )


def _before_next(active: BookStoreRelease) -> datetime | None:
    promoted = active.status.promoted_at
    return promoted and promoted + LONGEST_DRAIN_BEFORE_NEXT
