"""What follows when the newest release has failed, was aborted or was rolled back."""

from dataclasses import replace

from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.crd.stages import find_stage
from bookstore_operator.releases import rollback
from bookstore_operator.releases.begin import begin
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.walk import run_of


def failure_of(newest: BookStoreRelease) -> Failed:
    """Return why a release has ended, as its record says it."""
    return Failed(Reason.of_record(newest.status.reason), newest.status.message)


def abort(snapshot: Snapshot, release: BookStoreRelease, why: str) -> Progress:
    """Record that a release is aborted. Its color is scaled to 0, what serves keeps serving."""
    aborted = Failed(
        Reason.ABORTED,
        f"{why} Change the BookStore to release something else, or put its spec back; to release "
        f"it again as it is: kubectl bookstore retry {snapshot.store.name}.",
    )
    snapshot = update_status(
        snapshot, release, result=Result.ABORTED, reason=aborted.reason, message=aborted.message
    )
    return Progress(snapshot, aborted)


def note_late_abort(snapshot: Snapshot, newest: BookStoreRelease) -> Snapshot:
    """Return the Snapshot in which a release that serves says why it is not aborted."""
    if newest.status.result not in {Result.PROMOTED, Result.SUCCEEDED}:
        return snapshot
    advice = f"To go back: kubectl bookstore rollback {snapshot.store.name}."
    if len(snapshot.releases) == 1:
        advice = rollback.NOTHING_TO_GO_BACK_TO
    message = (
        f"Revision {newest.spec.revision} serves users, so spec.aborted is ignored: it was set too "
        f"late. {advice}"
    )
    return update_status(snapshot, newest, message=message)


def follow_decision(snapshot: Snapshot, name: str, visit: Visit) -> Progress:
    """Keep what serves while the spec asks for a release that was aborted or rolled back.

    It begins again only if a person asks for that: by `spec.retry`, or by asking for something else
    and then for this release again.
    """
    newest = find_release(snapshot, name)
    settled = history.serves_spec(snapshot)
    asked = history.matches_spec(snapshot, newest) and not settled
    again = newest.spec.retry or newest.status.superseded_at is not None
    if not asked and newest.status.superseded_at is None:
        snapshot = update_status(snapshot, newest, superseded_at=visit.now)
    drain = drain_rolled_back(snapshot, visit)
    if asked and not again:
        return replace(drain, answer=_overruled(drain.snapshot, newest, drain.answer))
    if not isinstance(drain.answer, Passed):
        return drain
    if settled:
        return drain
    if asked:
        return begin(drain.snapshot, newest.spec.revision, newest.spec.attempt + 1)
    return begin(drain.snapshot, newest.spec.revision + 1)


def _overruled(snapshot: Snapshot, newest: BookStoreRelease, drain: Answer) -> Answer:
    """Return why the spec, which asks for a release, is not released."""
    if newest.status.result is Result.ABORTED:
        return failure_of(newest)
    message = rollback.describe(snapshot, newest)
    if isinstance(drain, Waiting):
        return Waiting(Reason.ROLLED_BACK, message, drain.until, stalled=True)
    return Failed(Reason.ROLLED_BACK, message)


def drain_rolled_back(snapshot: Snapshot, visit: Visit) -> Progress:
    """Keep the color of a release that was rolled back running until users have left it."""
    active, drain = history.active(snapshot), find_stage("Drain")
    if active is None or drain is None or active.status.result is not Result.PROMOTED:
        return Progress(snapshot, Passed())
    progress = run_of(drain)(snapshot, active, visit)
    if not isinstance(progress.answer, Passed):
        return progress
    active = find_release(progress.snapshot, active.name)
    done = update_status(progress.snapshot, active, result=Result.SUCCEEDED, reason="Succeeded")
    return replace(progress, snapshot=done)
