"""Stop the clock of a release's stage while the API server keeps the release from progressing.

A deadline is for the release: an API server that fails, a webhook that is down or a quota must not
use it up. When a write of the release fails, the record gets `heldSince`; when the writes succeed
again, the stage's begin moves by the time between.

Times in a record may also be later than now: another leader's clock was ahead, this one was set
back, or somebody has edited the record. What waits for them would wait for the difference too.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bookstore_operator.core import history
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import Part
from bookstore_operator.crd.release import BookStoreRelease

TOLERANCE = timedelta(minutes=1)
"""How much later than now a recorded time may be: clocks of two nodes are never equal."""


def correct_times(snapshot: Snapshot, now: datetime) -> Snapshot:
    """Return the Snapshot with all recorded times that are later than now as now."""
    latest = now + TOLERANCE
    if not any(_has_later(release.status, latest) for release in snapshot.releases):
        return snapshot
    releases = tuple(
        release.model_copy(update={"status": _no_later(release.status, now)})
        for release in snapshot.releases
    )
    return replace(snapshot, releases=releases)


def _has_later(value: Any, latest: datetime) -> bool:
    """Whether a part of a record has a time that is later than this."""
    if isinstance(value, datetime):
        return value > latest
    if isinstance(value, Part):
        return any(_has_later(item, latest) for item in value.__dict__.values())
    if isinstance(value, list):
        return any(_has_later(item, latest) for item in value)
    return False


def _no_later(value: Any, now: datetime) -> Any:
    """Return a part of a record in which no time is later than now."""
    match value:
        case datetime():
            return now if value > now + TOLERANCE else value
        case Part():
            changed = {
                name: _no_later(getattr(value, name), now) for name in value.model_fields_set
            }
            return value.model_copy(update=changed)
        case list():
            return [_no_later(item, now) for item in value]
        case _:
            return value


def hold(snapshot: Snapshot, now: datetime, held_since: datetime | None) -> Snapshot:
    """Return the Snapshot with the newest release's clock stopped, or running again.

    Args:
        snapshot: what is observed.
        now: the current time.
        held_since: since when the API server keeps the release from progressing; None: it does not.

    """
    release = history.newest(snapshot)
    if release is None or not release.in_flight:
        return snapshot
    begun, recorded = release.status.stage_started_at, release.status.held_since
    if held_since is not None:
        since = max(held_since, begun or held_since)
        return snapshot if recorded else update_status(snapshot, release, held_since=since)
    if recorded is None:
        return snapshot
    resumed = begun and min(now, begun + (now - recorded))
    return update_status(snapshot, release, held_since=None, stage_started_at=resumed)


def stage_clock(release: BookStoreRelease, now: datetime) -> datetime:
    """Return when the release's stage began, for deadlines: without the time that it was held."""
    begun, held_since = release.status.stage_started_at, release.status.held_since
    if begun is None:
        return now
    return min(now, begun + (now - held_since)) if held_since else begun
