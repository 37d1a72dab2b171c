"""Which release is worked on: begin one, take one further, replace one, or let things be."""

from __future__ import annotations

from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.plan import Create
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import recorded
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.intent import intent_of
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.releases.manifests import release as new_release
from bookstore_operator.releases.migrations import migrations_of
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.walk import walk
from bookstore_operator.workloads.jobs import Ending


def advance(snapshot: Snapshot, visit: Visit) -> Progress:
    """Bring what the BookStore asks for and its releases closer to each other."""
    newest = history.newest(snapshot)
    if newest is None:
        return _begun(snapshot, revision=1)
    if newest.in_flight and newest.spec.aborted:
        return _given_up(snapshot, newest)
    if history.wants(snapshot, newest):
        return _wanted(snapshot, newest, visit)
    if newest.status.result is Result.PROMOTED:
        return _after_drain(snapshot, visit)
    return _replaced(snapshot, newest)


def _wanted(snapshot: Snapshot, newest: BookStoreRelease, visit: Visit) -> Progress:
    """Take the newest release further, for it is what is asked for, or tell how it ended."""
    result = newest.status.result
    if result in (None, Result.PROMOTED):
        return walk(snapshot, visit)
    if result is Result.SUPERSEDED:
        return _begun(snapshot, newest.spec.revision, newest.spec.attempt + 1)
    if result is Result.FAILED:
        return Progress(snapshot, _failed(newest))
    return Progress(snapshot, Passed())


def _failed(newest: BookStoreRelease) -> Failed:
    return Failed(Reason.of_record(newest.status.reason), newest.status.message)


def _after_drain(snapshot: Snapshot, visit: Visit) -> Progress:
    """Another revision is asked for, but its color is still kept warm."""
    progress = walk(snapshot, visit)
    if not isinstance(progress.answer, Passed):
        return progress
    begun = advance(progress.snapshot, visit)
    return Progress(begun.snapshot, begun.answer, (*progress.actions, *begun.actions))


def _replaced(snapshot: Snapshot, newest: BookStoreRelease) -> Progress:
    """Begin what is asked for instead of the newest release, as soon as it may begin."""
    if waiting := _migrating(snapshot, newest):
        return Progress(snapshot, waiting)
    active = history.active(snapshot)
    back = active is not None and history.wants(snapshot, active)
    if newest.in_flight or (back and newest.status.result is Result.FAILED):
        snapshot = _superseded(snapshot, newest)
    if back:
        return Progress(snapshot, Passed())
    return _begun(snapshot, newest.spec.revision + 1)


def _migrating(snapshot: Snapshot, release: BookStoreRelease) -> Answer | None:
    """Whether a release that is to end has a migration that must not be cut short."""
    running = [m for m in migrations_of(snapshot, release) if m.ending is Ending.RUNNING]
    if not release.in_flight or not running:
        return None
    return Waiting(
        Reason.MIGRATING,
        f"Waiting for migration Job {running[-1].name} before {release.name} ends: a running "
        "migration is not interrupted.",
    )


def _given_up(snapshot: Snapshot, newest: BookStoreRelease) -> Progress:
    if waiting := _migrating(snapshot, newest):
        return Progress(snapshot, waiting)
    aborted = Failed(
        Reason.ABORTED,
        f"{newest.name} was aborted (spec.aborted is true). Change the BookStore to start another "
        "release.",
    )
    snapshot = recorded(
        snapshot, newest, result=Result.FAILED, reason=aborted.reason, message=aborted.message
    )
    return Progress(snapshot, aborted)


def _superseded(snapshot: Snapshot, newest: BookStoreRelease) -> Snapshot:
    failed = newest.status.result is Result.FAILED
    before = f" Previously: {newest.status.message}" if failed else ""
    return recorded(
        snapshot,
        newest,
        result=Result.SUPERSEDED,
        reason="Superseded",
        message=f"The BookStore's spec was changed.{before}",
    )


def _begun(snapshot: Snapshot, revision: int, attempt: int = 1) -> Progress:
    """Begin a release on the idle color. Its stages begin when it is seen to be recorded."""
    store = snapshot.store
    made = new_release(
        store, revision, attempt, history.idle_color(snapshot), intent_of(store.spec)
    )
    name = made["metadata"]["name"]
    message = f"Starting release {name} of {store.spec.image} on {made['spec']['color']}."
    return Progress(
        snapshot, Waiting(Reason.RELEASING, message), (Create(made, "Release", message),)
    )
