"""Stage Drain: keep the old color running until its clients have left it."""

import math
from datetime import datetime, timedelta

from bookstore_operator.components.serving.gate import (
    LONGEST_WAIT_BEFORE_NEXT,
    followed,
    switched,
)
from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.measurements import Measurement
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases import tally
from bookstore_operator.releases.progress import Progress

OLDEST_CONNECTION_SECONDS = 300
"""The API's default for config.connectionMaxAgeSeconds; the age deviates by up to 25 %."""


def drain(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Wait until users reach the active color only, for the delay, and for open connections."""
    for gate in (switched, followed):
        answer = visit.ask(gate, snapshot)
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer)
    served_at = release.status.served_at or visit.now
    snapshot = update_status(snapshot, release, served_at=served_at)
    answer = visit.ask(drained, snapshot)
    if not isinstance(answer, Passed):
        return Progress(snapshot, answer)
    answer, measurements = left(snapshot, visit.now)
    return Progress(snapshot, answer, (), measurements)


def drained(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the old color has kept running for the delay since the Service has switched."""
    active = history.active(snapshot)
    if active is None or active.status.served_at is None or _old(snapshot) is None:
        return Passed()
    delay = timedelta(seconds=snapshot.store.spec.rollout.scale_down_delay_seconds)
    if not history.matches_spec(snapshot, active):
        delay = min(delay, LONGEST_WAIT_BEFORE_NEXT)  # the next release needs the color
    end = active.status.served_at + delay
    if now >= end:
        return Passed()
    old = active.spec.color.other.value
    return Waiting(
        Reason.DRAINING, f"The old color, {old}, keeps running until {end:%H:%M:%S}Z.", end
    )


def left(snapshot: Snapshot, now: datetime) -> tuple[Answer, tuple[Measurement, ...]]:
    """Pass when no client is connected to the old color, or when none should be any more.

    The Pods' metrics say how many are. Where these can't be read, or are not (without a watch, or
    with a Prometheus), the delay must do.
    """
    active, old = history.active(snapshot), _old(snapshot)
    watch = snapshot.store.spec.rollout.watch
    if active is None or old is None or not watch.seconds or watch.prometheus:
        return Passed(), ()
    bound = (active.status.served_at or now) + _longest(snapshot, active, old)
    wanted = tally.scrapes(snapshot, old)
    if now >= bound or not wanted:
        return Passed(), ()
    if any(scrape not in snapshot.measurements for scrape in wanted):
        message = f"Reading how many clients are connected to the old color, {old.spec.color}."
        return Waiting(Reason.DRAINING, message, bound), wanted
    readings = tally.readings(snapshot, wanted).values()
    open_connections = sum(reading.connections or 0 for reading in readings)
    if not open_connections:
        return Passed(), ()
    message = (
        f"{open_connections} connections of clients to the old color, {old.spec.color}, are open. "
        f"It keeps running until they are closed, or {bound:%H:%M:%S}Z."
    )
    return Waiting(Reason.DRAINING, message, bound), wanted


def _old(snapshot: Snapshot) -> BookStoreRelease | None:
    """Return the release that users leave: the one before, or the one that was rolled back."""
    before = history.superseded_active(snapshot)
    return find_release(snapshot, before[-1]) if before else history.rolled_back(snapshot)


def _longest(snapshot: Snapshot, active: BookStoreRelease, old: BookStoreRelease) -> timedelta:
    """Return how long clients may be connected after the switch."""
    if not history.matches_spec(snapshot, active):
        return LONGEST_WAIT_BEFORE_NEXT
    config = old.spec.intent.get("config") or {}
    oldest = config.get("connectionMaxAgeSeconds") or OLDEST_CONNECTION_SECONDS
    return timedelta(seconds=math.ceil(oldest * 1.25))
