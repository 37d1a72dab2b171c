"""Rollbacks that people ask for: `spec.rollback` of a BookStoreRelease that has served before.

A request is answered once: in that release's status, and by setting the field back, as Kubernetes
did with a Deployment's `rollbackTo`, so that it does not hit a later release.
"""

from dataclasses import dataclass, replace

from bookstore_operator.core import history
from bookstore_operator.core.gate import Passed
from bookstore_operator.core.kinds import RELEASES
from bookstore_operator.core.metadata import metadata
from bookstore_operator.core.plan import Action, Apply
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import (
    BookStoreRelease,
    Result,
    RollbackAnswer,
    RollbackState,
)
from bookstore_operator.releases import rollback
from bookstore_operator.releases.begin import begin, name_of_next
from bookstore_operator.releases.cancel import end_jobs
from bookstore_operator.releases.ended import abort, drain_rolled_back
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.walk import walk


@dataclass(frozen=True, slots=True)
class Request:
    """What a request has led to in this visit."""

    snapshot: Snapshot
    actions: tuple[Action, ...] = ()
    step: Progress | None = None
    """The step that it takes; None: the ordinary next one is taken."""


def follow_request(snapshot: Snapshot, visit: Visit) -> Request:
    """Take the next step towards the release that a person asks to go back to, if anybody does."""
    asked = [release for release in snapshot.releases if release.spec.rollback]
    newest = history.newest(snapshot)
    if not asked or newest is None:
        return Request(snapshot)
    target = asked[-1]
    if answer := _answer_now(snapshot, newest, target, visit):
        return _record(snapshot, target, answer)
    if newest.in_flight:
        return Request(snapshot, step=_end(snapshot, newest, target, visit))
    active = history.active(snapshot)
    if active and rollback.warm(snapshot) == target:
        why = f"A person asked for it (spec.rollback of {target.name})."
        switched = rollback.switch_back(snapshot, active, why, visit.now)
        return _record(switched, target, _answer(visit, RollbackState.SWITCHED, target.name))
    return _release_again(snapshot, newest, target, visit)


def _answer_now(
    snapshot: Snapshot, newest: BookStoreRelease, target: BookStoreRelease, visit: Visit
) -> RollbackAnswer | None:
    """Return the answer to a request that needs no step; None if it needs one."""
    if newest.in_flight and newest.spec.rollback_of == target.name:
        return _answer(visit, RollbackState.RELEASED, newest.name)
    active = history.active(snapshot)
    if not newest.in_flight and active and target.name in {active.name, active.spec.rollback_of}:
        return _answer(visit, RollbackState.SWITCHED, active.name)
    why = _refusal(snapshot, target)
    return _answer(visit, RollbackState.REFUSED, message=why) if why else None


def _refusal(snapshot: Snapshot, target: BookStoreRelease) -> str:
    """Return why nobody can go back to a release; empty if it may be tried."""
    if target.status.promoted_at is None:
        return f"{target.name} has never served users. Name a release that has."
    return rollback.refusal(snapshot, target)


def _end(
    snapshot: Snapshot, newest: BookStoreRelease, target: BookStoreRelease, visit: Visit
) -> Progress:
    """End the release in progress, which a rollback overrules."""
    ended = end_jobs(snapshot, newest, visit)
    if not isinstance(ended.answer, Passed):
        return ended
    why = f"{newest.name} was aborted: a person asked to go back to {target.name}."
    return abort(ended.snapshot, find_release(ended.snapshot, newest.name), why)


def _release_again(
    snapshot: Snapshot, newest: BookStoreRelease, target: BookStoreRelease, visit: Visit
) -> Request:
    """Begin a new release of an older one's intent, once the idle color is free."""
    promoted = newest.status.result is Result.PROMOTED
    freed = walk(snapshot, visit) if promoted else drain_rolled_back(snapshot, visit)
    overruled = _asked_by_spec(snapshot, newest)
    if not isinstance(freed.answer, Passed):
        return Request(snapshot, step=freed)
    if overruled is None:  # the spec has just changed: its release is begun, and then overruled
        return Request(snapshot)
    revision = newest.spec.revision + 1
    begun = begin(freed.snapshot, revision, of=target, overrides=overruled)
    name = name_of_next(snapshot, revision)
    request = _record(begun.snapshot, target, _answer(visit, RollbackState.RELEASED, name))
    actions = (*freed.actions, *begun.actions, *request.actions)
    return Request(
        request.snapshot, step=replace(begun, snapshot=request.snapshot, actions=actions)
    )


def _asked_by_spec(snapshot: Snapshot, newest: BookStoreRelease) -> str | None:
    """Return the name of the release that the spec asks for; None if there is none yet."""
    for release in (newest, history.active(snapshot)):
        if release and history.matches_spec(snapshot, release):
            return release.spec.overrides or release.name
    return None


def _answer(
    visit: Visit, state: RollbackState, release: str = "", message: str = ""
) -> RollbackAnswer:
    return RollbackAnswer(state=state, release=release, message=message, answered_at=visit.now)


def _record(snapshot: Snapshot, target: BookStoreRelease, answer: RollbackAnswer) -> Request:
    """Record the answer to a request, and set the field back."""
    answered = update_status(snapshot, find_release(snapshot, target.name), rollback=answer)
    why = f"The rollback to {target.name} that was asked for: {answer.state}. {answer.message}"
    asked = (release for release in snapshot.releases if release.spec.rollback)
    return Request(answered, tuple(_set_back(snapshot, release, why.strip()) for release in asked))


def _set_back(snapshot: Snapshot, release: BookStoreRelease, why: str) -> Action:
    meta = metadata(snapshot.store, release.name)
    manifest = {**RELEASES.type_meta, "metadata": meta, "spec": {"rollback": False}}
    return Apply(manifest, "Rollback", why)
