"""Whether the old colour is no longer needed."""

from __future__ import annotations

from datetime import datetime, timedelta

from bookstore_operator import names
from bookstore_operator.build.common import release_selector
from bookstore_operator.facts import history
from bookstore_operator.facts.objects import find
from bookstore_operator.gates.gate import Answer, Passed, Waiting
from bookstore_operator.reasons import Reason
from bookstore_operator.snapshot import Snapshot

LONGEST_DRAIN_BEFORE_NEXT = timedelta(seconds=30)
"""How long at most a next release waits for the old colour, whatever the delay asked for."""


def switched(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the active Service is seen to select the recorded promoted release."""
    del now
    active = history.active(snapshot)
    service = find(snapshot, "Service", names.service(snapshot.store.name))
    if active and service and service["spec"].get("selector") == release_selector(active):
        return Passed()
    return Waiting(Reason.SWITCHING, "Waiting for the active Service to select the new colour.")


def drained(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the old colour has been kept warm long enough."""
    active = history.active(snapshot)
    if active is None or active.status.promoted_at is None or not old_releases(snapshot):
        return Passed()
    delay = timedelta(seconds=snapshot.store.spec.rollout.scale_down_delay_seconds)
    if not history.wants(snapshot, active):
        delay = min(delay, LONGEST_DRAIN_BEFORE_NEXT)  # the next release needs the colour
    end = active.status.promoted_at + delay
    if now >= end:
        return Passed()
    old = active.spec.colour.other.value
    return Waiting(
        Reason.DRAINING, f"The old colour, {old}, is kept warm until {end:%H:%M:%S}Z.", end
    )


def old_releases(snapshot: Snapshot) -> list[str]:
    """Return the names of the releases that served before and are not given up yet."""
    active = history.active(snapshot)
    return [
        release.name
        for release in snapshot.releases
        if release.status.promoted_at and not release.status.demoted_at and release != active
    ]
