"""Decide about the newest release: begin, continue, replace or abort it."""

from dataclasses import replace

from bookstore_operator.core import history
from bookstore_operator.core.gate import Failed, Passed
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import ENDED_BY_DECISION, BookStoreRelease, Result
from bookstore_operator.releases import rollback
from bookstore_operator.releases.begin import begin
from bookstore_operator.releases.cancel import end_jobs
from bookstore_operator.releases.ended import failure_of, follow_decision
from bookstore_operator.releases.ownership import take_ownership
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.remigrate import record_databases, remigrate
from bookstore_operator.releases.walk import unknown_record, walk


def advance(snapshot: Snapshot, visit: Visit) -> Progress:
    """Take the next step from the BookStore's releases towards its spec."""
    owned = take_ownership(snapshot, visit)
    if not isinstance(owned.answer, Passed):
        return Progress(owned.snapshot, owned.answer)
    progress = _advance(record_databases(owned.snapshot), visit)
    return replace(progress, actions=(*owned.actions, *progress.actions))


def _advance(snapshot: Snapshot, visit: Visit) -> Progress:
    snapshot = rollback.complete(snapshot)
    newest = history.newest(snapshot)
    if newest is None:
        return begin(snapshot, revision=1)
    if newest.in_flight and newest.spec.aborted:
        return _abort(snapshot, newest, visit)
    return remigrate(snapshot, visit) or _follow_spec(snapshot, newest, visit)


def _follow_spec(snapshot: Snapshot, newest: BookStoreRelease, visit: Visit) -> Progress:
    """Take the next step from the newest release towards what the spec asks for."""
    if newest.status.result in ENDED_BY_DECISION:
        return follow_decision(snapshot, newest, visit)
    if history.matches_spec(snapshot, newest):
        return _continue(snapshot, newest, visit)
    if newest.status.result is Result.PROMOTED:
        return _leave(snapshot, newest, visit)
    return _replace(snapshot, newest, visit)


def _continue(snapshot: Snapshot, newest: BookStoreRelease, visit: Visit) -> Progress:
    """Continue the newest release, which has the current intent, or return how it ended."""
    result = newest.status.result
    if result in (None, Result.PROMOTED):
        return walk(snapshot, visit)
    if result is Result.SUPERSEDED:
        return begin(snapshot, newest.spec.revision, newest.spec.attempt + 1)
    if result is Result.FAILED:
        if newest.spec.retry:
            return begin(snapshot, newest.spec.revision, newest.spec.attempt + 1)
        return Progress(snapshot, failure_of(newest))
    return Progress(snapshot, unknown_record(newest) or Passed())


def _leave(snapshot: Snapshot, newest: BookStoreRelease, visit: Visit) -> Progress:
    """Leave the newest release: back by one switch, or on once the old color is free."""
    older = rollback.warm(snapshot)
    if older and history.matches_spec(snapshot, older):
        why = f"The BookStore's spec was put back to that of {older.name}."
        snapshot = rollback.switch_back(snapshot, newest, why, visit.now)
        return _advance(snapshot, visit)
    progress = walk(snapshot, visit)
    if not isinstance(progress.answer, Passed):
        return progress
    following = _advance(progress.snapshot, visit)
    return Progress(following.snapshot, following.answer, (*progress.actions, *following.actions))


def _replace(snapshot: Snapshot, newest: BookStoreRelease, visit: Visit) -> Progress:
    """Supersede the newest release and begin one with the current intent, if it may begin."""
    ended = end_jobs(snapshot, newest, visit)
    if not isinstance(ended.answer, Passed):
        return ended
    snapshot = ended.snapshot
    active = history.active(snapshot)
    reverted = active is not None and history.matches_spec(snapshot, active)
    newest = find_release(snapshot, newest.name)
    if newest.in_flight or (reverted and newest.status.result is Result.FAILED):
        snapshot = _supersede(snapshot, newest)
    if reverted:
        return Progress(snapshot, Passed())
    return begin(snapshot, newest.spec.revision + 1)


def _abort(snapshot: Snapshot, newest: BookStoreRelease, visit: Visit) -> Progress:
    ended = end_jobs(snapshot, newest, visit)
    if not isinstance(ended.answer, Passed):
        return ended
    snapshot, newest = ended.snapshot, find_release(ended.snapshot, newest.name)
    aborted = Failed(
        Reason.ABORTED,
        f"{newest.name} was aborted (spec.aborted is true). Change the BookStore to release "
        "something else, or put its spec back; to release it again as it is: kubectl bookstore "
        f"retry {snapshot.store.name}.",
    )
    snapshot = update_status(
        snapshot, newest, result=Result.ABORTED, reason=aborted.reason, message=aborted.message
    )
    return Progress(snapshot, aborted)


def _supersede(snapshot: Snapshot, newest: BookStoreRelease) -> Snapshot:
    failed = newest.status.result is Result.FAILED
    previously = f" Previously: {newest.status.message}" if failed else ""
    return update_status(
        snapshot,
        newest,
        result=Result.SUPERSEDED,
        reason="Superseded",
        message=f"The BookStore's spec was changed.{previously}",
    )
