"""What is written down and told: the releases' records, the BookStore's status, events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from bookstore_operator.components import COMPONENTS
from bookstore_operator.components.backup import schedule
from bookstore_operator.core import history, names
from bookstore_operator.core.gate import Answer, Waiting
from bookstore_operator.core.kinds import BOOKSTORES, DEPLOYMENTS, RELEASES
from bookstore_operator.core.labels import release_selector
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Action, Event, EventType, WriteStatus
from bookstore_operator.core.reasons import WARNING_REASONS
from bookstore_operator.core.records import recorded
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.crd.status import (
    AVAILABLE,
    READY,
    RECONCILING,
    STALLED,
    ActiveRelease,
    BookStoreStatus,
    Condition,
    ConditionStatus,
)
from bookstore_operator.releases.progress import Progress
from bookstore_operator.status import conditions
from bookstore_operator.workloads.unexplained import look_again


class Report(NamedTuple):
    """What is written and what is told of it."""

    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()


def records(before: Snapshot, progress: Progress) -> Report:
    """Return the releases' records that have changed."""
    told = _with_what_is_waited_for(progress)
    known = {each.name: each for each in before.releases}
    changed = [each for each in told.releases if each.status != known[each.name].status]
    return Report(
        tuple(_write(each) for each in changed),
        tuple(event for each in changed for event in _news(before, known[each.name], each)),
    )


def report(snapshot: Snapshot, blocking: Answer, visit: Visit, changes: int) -> Report:
    """Return the BookStore's status, if it has changed, and an event for each transition."""
    store = snapshot.store
    found = conditions.conditions(snapshot, blocking, visit, changes)
    status = _status(snapshot, found)
    if status.manifest() == store.status.manifest():
        return Report()
    key = BOOKSTORES.ref(store.name)
    ready = next(each for each in found if each.type == READY)
    return Report(
        (WriteStatus(key, status.manifest(), ready.reason, ready.message),),
        tuple(
            Event(key, _type_of(each), each.reason, f"{each.type}: {each.message}")
            for each in conditions.transitions(store.status.conditions, found)
            # It goes up and down with every small change; the stages are told instead.
            if each.type != RECONCILING
        ),
    )


def look_again_after(snapshot: Snapshot, blocking: Answer, visit: Visit) -> timedelta | None:
    """Return when a gate may answer otherwise though no watch has told of a change."""
    moments = [
        blocking.until if isinstance(blocking, Waiting) else None,
        look_again(snapshot.objects, visit.now),
        *(each.look_again(snapshot, visit) for each in COMPONENTS if each.look_again),
    ]
    known = [moment for moment in moments if moment]
    return max(min(known) - visit.now, timedelta(seconds=1)) if known else None


def _with_what_is_waited_for(progress: Progress) -> Snapshot:
    newest, answer = history.newest(progress.snapshot), progress.answer
    if newest is None or not newest.in_flight or not isinstance(answer, Waiting):
        return progress.snapshot
    return recorded(progress.snapshot, newest, reason=answer.reason, message=answer.message)


def _write(made: BookStoreRelease) -> Action:
    status = made.status
    what = status.result or status.stage or "Recorded"
    key = RELEASES.ref(made.name)
    return WriteStatus(key, status.manifest(), what, f"{made.name}: {what}. {status.message}")


def _news(before: Snapshot, known: BookStoreRelease, made: BookStoreRelease) -> Iterator[Event]:
    """Yield the stages and results of a release that are new, told of the BookStore."""
    key = BOOKSTORES.ref(before.store.name)
    stage, result = made.status.stage, made.status.result
    if stage and stage != known.status.stage:
        yield Event(key, EventType.NORMAL, f"Stage{stage}", f"{made.name} is at stage {stage}.")
    if result and result is not known.status.result:
        bad = result is Result.FAILED
        kind = EventType.WARNING if bad else EventType.NORMAL
        yield Event(key, kind, f"Release{result}", f"{made.name}: {made.status.message}")


def _type_of(condition: Condition) -> EventType:
    holds = condition.status is ConditionStatus.TRUE
    bad = condition.reason in WARNING_REASONS
    bad |= {STALLED: holds, AVAILABLE: not holds}.get(condition.type, False)
    return EventType.WARNING if bad else EventType.NORMAL


def _status(snapshot: Snapshot, found: tuple[Condition, ...]) -> BookStoreStatus:
    newest, active = history.newest(snapshot), history.active(snapshot)
    counts = _counts(snapshot, active)
    going_on = newest and newest.status.result in (None, Result.PROMOTED)
    return BookStoreStatus.model_validate(
        {
            "observedGeneration": snapshot.store.metadata.generation,
            "conditions": found,
            "release": newest.name if newest else None,
            "stage": newest.status.stage if newest and going_on else None,
            "active": _active(active) if active else None,
            "replicas": counts.get("replicas", 0),
            "readyReplicas": counts.get("readyReplicas", 0),
            "selector": _selector(active) if active else "",
            "schema": _schema(snapshot),
            "lastBackupAt": schedule.last_success(snapshot),
        }
    )


def _schema(snapshot: Snapshot) -> str | None:
    """Return the newest schema revision that a migration has told."""
    told = [each.status.schema_revisions for each in snapshot.releases]
    return next((revisions[-1] for revisions in reversed(told) if revisions), None)


def _counts(snapshot: Snapshot, active: BookStoreRelease | None) -> dict[str, int]:
    if active is None:
        return {}
    name = names.deployment(snapshot.store.name, active.spec.color)
    deployment = find(snapshot, DEPLOYMENTS, name) or {}
    return dict(deployment.get("status", {}))


def _active(active: BookStoreRelease) -> ActiveRelease:
    return ActiveRelease(
        release=active.name,
        color=active.spec.color.value,
        revision=active.spec.revision,
        image=active.spec.intent.get("image", ""),
        promoted_at=active.status.promoted_at,
    )


def _selector(active: BookStoreRelease) -> str:
    return ",".join(f"{key}={value}" for key, value in release_selector(active).items())
