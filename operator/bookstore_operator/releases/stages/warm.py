"""Stage Warm: keep the old color at the live size for a while, so that a rollback is a switch."""

from datetime import datetime, timedelta

from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.releases.progress import Progress


def warm(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Record when the old color is no longer needed, and that the release has succeeded."""
    answer = visit.ask(window_over, snapshot)
    if not isinstance(answer, Passed):
        return Progress(snapshot, answer)
    for name in history.superseded_active(snapshot):
        old = find_release(snapshot, name)
        snapshot = update_status(snapshot, old, demoted_at=visit.now)
    promoted = history.active(snapshot) or release
    return Progress(
        update_status(snapshot, promoted, result=Result.SUCCEEDED, reason="Succeeded"), Passed()
    )


def window_over(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the rollback window is over, or when the next release needs the color."""
    active = history.active(snapshot)
    if active is None or active.status.served_at is None or not history.superseded_active(snapshot):
        return Passed()
    if not history.matches_spec(snapshot, active):
        return Passed()
    window = timedelta(seconds=snapshot.store.spec.rollout.rollback_window_seconds)
    end = active.status.served_at + window
    if now >= end:
        return Passed()
    old = active.spec.color.other.value
    message = f"The old color, {old}, is kept for a rollback until {end:%H:%M:%S}Z."
    return Waiting(Reason.WARM, message, end)
