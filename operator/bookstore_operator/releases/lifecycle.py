"""Decide about the newest release: begin, continue, replace or abort it."""

from dataclasses import replace

from bookstore_operator.core import history
from bookstore_operator.core.gate import Passed
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import ENDED_BY_DECISION, BookStoreRelease, Result
from bookstore_operator.crd.stages import find_stage
from bookstore_operator.releases import rollback
from bookstore_operator.releases.backups import record_last_backup
from bookstore_operator.releases.begin import begin
from bookstore_operator.releases.cancel import end_jobs
from bookstore_operator.releases.contract import take_up_contract
from bookstore_operator.releases.ended import (
    abort,
    drain_rolled_back,
    failure_of,
    follow_decision,
    note_late_abort,
)
from bookstore_operator.releases.ownership import take_ownership
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.remigrate import record_databases, remigrate
from bookstore_operator.releases.requests import follow_request
from bookstore_operator.releases.walk import run_of, unknown_record, walk


def advance(snapshot: Snapshot, visit: Visit) -> Progress:
    """Take the next step from the BookStore's releases towards its spec."""
    owned = take_ownership(snapshot, visit)
    if not isinstance(owned.answer, Passed):
        return Progress(owned.snapshot, owned.answer)
    recorded = record_last_backup(record_databases(owned.snapshot))
    progress = _advance(recorded, visit)
    progress = take_up_contract(progress, visit)
    return replace(progress, actions=(*owned.actions, *progress.actions))


def _advance(snapshot: Snapshot, visit: Visit) -> Progress:
    snapshot = rollback.complete(snapshot)
    newest = history.newest(snapshot)
    if newest is None:
        return begin(snapshot, revision=1)
    if newest.spec.aborted:
        if aborted := _abort(snapshot, newest, visit):
            return aborted
        snapshot = note_late_abort(snapshot, newest)
    request = follow_request(snapshot, visit)
    snapshot = request.snapshot
    newest = find_release(snapshot, newest.name)
    progress = request.step or remigrate(snapshot, visit) or _follow_spec(snapshot, newest, visit)
    actions = progress.actions if request.step else (*request.actions, *progress.actions)
    answer = rollback.overrule(progress.snapshot, progress.answer)
    return replace(progress, answer=answer, actions=actions)


def act_while_paused(snapshot: Snapshot, visit: Visit) -> Progress | None:
    """Carry out what a pause does not hold back: an abort, a watch, the end of a switch back."""
    if not isinstance(take_ownership(snapshot, visit).answer, Passed):
        return None
    snapshot = rollback.complete(snapshot)
    newest = history.newest(snapshot)
    if newest is None:
        return None
    if newest.spec.aborted and (aborted := _abort(snapshot, newest, visit)):
        return aborted
    watching = find_stage("Watch")
    if (
        watching
        and newest.status.stage == watching.name
        and newest.status.result is Result.PROMOTED
    ):
        return run_of(watching)(snapshot, newest, visit)
    return drain_rolled_back(snapshot, visit) if history.rolled_back(snapshot) else None


def _follow_spec(snapshot: Snapshot, newest: BookStoreRelease, visit: Visit) -> Progress:
    """Take the next step from the newest release towards what the spec asks for."""
    if newest.status.result in ENDED_BY_DECISION:
        return follow_decision(snapshot, newest.name, visit)
    again = newest.spec.retry and history.overrules_spec(snapshot, newest)
    if history.matches_spec(snapshot, newest) and not again:
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
        return _after_failure(snapshot, newest)
    if result is Result.SUCCEEDED and history.active(snapshot) is None:
        # Somebody has edited the record: it says that the release served, and that none does.
        return begin(snapshot, newest.spec.revision, newest.spec.attempt + 1)
    return Progress(snapshot, unknown_record(newest) or Passed())


def _after_failure(snapshot: Snapshot, newest: BookStoreRelease) -> Progress:
    """Return what follows the failure of the newest release, unless the spec is changed."""
    if newest.spec.retry:
        return begin(snapshot, newest.spec.revision, newest.spec.attempt + 1)
    if history.serves_spec(snapshot):  # a rollback has failed, and the spec never asked for it
        return Progress(snapshot, Passed())
    return Progress(snapshot, failure_of(newest))


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
    reverted = history.serves_spec(snapshot)
    newest = find_release(snapshot, newest.name)
    if newest.in_flight or (reverted and newest.status.result is Result.FAILED):
        snapshot = _supersede(snapshot, newest)
    if reverted:
        return Progress(snapshot, Passed())
    return begin(snapshot, newest.spec.revision + 1)


def _abort(snapshot: Snapshot, newest: BookStoreRelease, visit: Visit) -> Progress | None:
    """End a release that a person has aborted; None if it serves and is not watched any more."""
    if newest.in_flight:
        ended = end_jobs(snapshot, newest, visit)
        if not isinstance(ended.answer, Passed):
            return ended
        why = f"{newest.name} was aborted (spec.aborted is true)."
        return abort(ended.snapshot, find_release(ended.snapshot, newest.name), why)
    if newest.status.result is Result.PROMOTED and newest.status.stage == "Watch":
        if rollback.warm(snapshot) is None:
            return None
        why = "It was aborted (spec.aborted is true) while it was watched."
        snapshot = rollback.switch_back(snapshot, newest, why, visit.now)
        return follow_decision(snapshot, newest.name, visit)
    return None


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
