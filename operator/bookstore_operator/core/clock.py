"""Stop the clock of a release's stage while the API server keeps the release from progressing.

A deadline is for the release: an API server that fails, a webhook that is down or a quota must not
use it up. When a write of the release fails, the record gets `heldSince`; when the writes succeed
again, the stage's begin moves by the time between.
"""

from datetime import datetime

from bookstore_operator.core import history
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease


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
