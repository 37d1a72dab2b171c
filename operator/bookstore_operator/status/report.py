"""Report the outcome of a reconciliation: the releases' and the BookStore's status, and events."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from bookstore_operator.components import COMPONENTS
from bookstore_operator.components.backup import schedule
from bookstore_operator.components.backup.drills import last_drill
from bookstore_operator.components.ingress.addresses import addresses
from bookstore_operator.components.serving.availability import status_of
from bookstore_operator.components.signing_keys.condition import keys_status
from bookstore_operator.components.storage.volumes import volumes_status
from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Waiting
from bookstore_operator.core.kinds import BOOKSTORES, RELEASES
from bookstore_operator.core.labels import release_selector
from bookstore_operator.core.plan import (
    Action,
    Event,
    EventType,
    Manifest,
    ObjectRef,
    WriteStatus,
)
from bookstore_operator.core.reasons import WARNING_REASONS
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.attempts import ContractState
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.crd.stages import find_stage, stages_from
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
from bookstore_operator.releases.contract import contract_due
from bookstore_operator.releases.progress import Progress
from bookstore_operator.status import conditions
from bookstore_operator.status.lingering import next_due
from bookstore_operator.workloads.pod_problems import next_threshold
from bookstore_operator.workloads.unexplained import look_again

_CONTRACT_EVENTS: Mapping[str, EventType] = {
    ContractState.RUNNING: EventType.NORMAL,
    ContractState.DONE: EventType.NORMAL,
    ContractState.FAILED: EventType.WARNING,
}


class Report(NamedTuple):
    """Status writes, and the events about them."""

    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    look_again: datetime | None = None
    """When there may be something else to report without an event; None if never."""


def records(before: Snapshot, progress: Progress) -> Report:
    """Return the writes and events for releases whose status has changed."""
    after = _with_waiting_message(progress)
    previous = {release.name: release for release in before.releases}
    changed = [r for r in after.releases if r.status != previous[r.name].status]
    # A rollback is decided by the record of the release that is rolled back, so that comes first.
    changed.sort(key=lambda release: release.status.result is not Result.ROLLED_BACK)
    return Report(
        tuple(_write(release) for release in changed),
        tuple(
            event
            for release in changed
            for event in _events(before, previous[release.name], release)
        ),
    )


def report(snapshot: Snapshot, blocking: Answer, visit: Visit, changes: int) -> Report:
    """Return the write of the BookStore's status and its events; empty if it has not changed."""
    store = snapshot.store
    current, since, deadline = conditions.conditions(snapshot, blocking, visit, changes)
    status = _status(snapshot, current, since, visit.now)
    if status.manifest() == store.status.manifest():
        return Report(look_again=deadline)
    key = BOOKSTORES.ref(store.name)
    ready = next(condition for condition in current if condition.type == READY)
    return Report(
        (WriteStatus(key, status.manifest(), ready.reason, ready.message),),
        tuple(
            Event(key, _type_of(changed), changed.reason, f"{changed.type}: {changed.message}")
            for changed in conditions.transitions(store.status.conditions, current)
            # Reconciling changes with every small update; the stages have events instead.
            if changed.type != RECONCILING
        ),
        deadline,
    )


def look_again_after(
    snapshot: Snapshot,
    blocking: Answer,
    visit: Visit,
    reported: Report,
    also: datetime | None = None,
) -> timedelta | None:
    """Return the delay until a gate may answer differently without an event; None if none may."""
    candidates = [
        also,
        reported.look_again,
        blocking.until if isinstance(blocking, Waiting) else None,
        look_again(snapshot.objects, visit.now),
        next_due(snapshot, visit.now),
        contract_due(snapshot),
        next_threshold(snapshot, visit.now),
        *(part.look_again(snapshot, visit) for part in COMPONENTS if part.look_again),
    ]
    times = [time for time in candidates if time]
    return max(min(times) - visit.now, timedelta(seconds=1)) if times else None


def _with_waiting_message(progress: Progress) -> Snapshot:
    """Return the Snapshot with the reason and message of what the newest release waits for."""
    newest, answer = history.newest(progress.snapshot), progress.answer
    if newest is None or not newest.in_flight or not isinstance(answer, Waiting):
        return progress.snapshot
    return update_status(progress.snapshot, newest, reason=answer.reason, message=answer.message)


def _write(release: BookStoreRelease) -> Action:
    status = release.status
    state = status.result or status.stage or "Recorded"
    key = RELEASES.ref(release.name)
    return WriteStatus(key, status.manifest(), state, f"{release.name}: {state}. {status.message}")


def _events(
    before: Snapshot, previous: BookStoreRelease, release: BookStoreRelease
) -> Iterator[Event]:
    """Yield events of the BookStore for a release's new stages and its new result."""
    key, name = BOOKSTORES.ref(before.store.name), release.name
    stage, result = release.status.stage, release.status.result
    for passed in _stages_passed(previous.status.stage, stage):
        message = f"{name} has passed stage {passed}."
        yield Event(key, EventType.NORMAL, f"Stage{passed}", message)
    if stage and stage != previous.status.stage:
        yield Event(key, EventType.NORMAL, f"Stage{stage}", f"{name} is at stage {stage}.")
    if result and result is not previous.status.result:
        failed = result in {Result.FAILED, Result.ROLLED_BACK}
        kind = EventType.WARNING if failed else EventType.NORMAL
        yield Event(key, kind, f"Release{result}", f"{name}: {release.status.message}")
    yield from _contract_events(key, previous, release)


def _contract_events(
    key: ObjectRef, previous: BookStoreRelease, release: BookStoreRelease
) -> Iterator[Event]:
    """Yield an event when a contract migration begins or ends."""
    before, after = previous.status.contract, release.status.contract
    if after is None or after.state not in _CONTRACT_EVENTS:
        return
    if before is None or before.state != after.state:
        kind = _CONTRACT_EVENTS[after.state]
        yield Event(key, kind, f"Contract{after.state}", f"{release.name}: {after.message}")


def _stages_passed(before: str | None, now: str | None) -> Iterator[str]:
    """Yield the stages that were entered and passed in one visit, which no record was at."""
    if find_stage(now) is None or (before is not None and find_stage(before) is None):
        return  # a newer operator has the stage
    entered = stages_from(before) if before is None else stages_from(before)[1:]
    names = [stage.name for stage in entered]
    if now in names:  # else it begins again, because its database was replaced
        yield from names[: names.index(now)]


def _type_of(condition: Condition) -> EventType:
    holds = condition.status is ConditionStatus.TRUE
    warning = condition.reason in WARNING_REASONS
    warning |= {STALLED: holds, AVAILABLE: not holds}.get(condition.type, False)
    return EventType.WARNING if warning else EventType.NORMAL


def _status(
    snapshot: Snapshot, current: tuple[Condition, ...], since: datetime | None, now: datetime
) -> BookStoreStatus:
    return BookStoreStatus.model_validate(
        {
            "observedGeneration": snapshot.store.metadata.generation,
            "conditions": current,
            "waitingSince": since,
            **_releases(snapshot),
            "addresses": addresses(snapshot),
            "volumes": volumes_status(snapshot),
            "lastDrill": last_drill(snapshot),
            "lastBackupAt": schedule.last_success(snapshot),
            "signingKeys": keys_status(snapshot, now),
        }
    )


_OF_RELEASES = {
    *("release", "stage", "active"),
    *("replicas", "ready_replicas", "selector", "schema_revision"),
}


def _releases(snapshot: Snapshot) -> Manifest:
    """Return which release is newest and which serves, with what size.

    What was reported last stays if the record of the one that serves can't be read: it still does.
    """
    if snapshot.blocker and snapshot.blocker.hides_active:
        return snapshot.store.status.model_dump(by_alias=True, include=_OF_RELEASES)
    newest, active = history.newest(snapshot), history.active(snapshot)
    counts = status_of(snapshot, active) if active else {}
    in_progress = newest and newest.status.result in (None, Result.PROMOTED)
    return {
        "release": newest.name if newest else None,
        "stage": newest.status.stage if newest and in_progress else None,
        "active": _active(active) if active else None,
        "replicas": counts.get("replicas", 0),
        "readyReplicas": counts.get("readyReplicas", 0),
        "selector": _selector(active) if active else "",
        "schema": _schema(snapshot),
    }


def _schema(snapshot: Snapshot) -> str | None:
    """Return the newest schema revision that a migration reported; None if none did."""
    reported = [release.status.schema_revisions for release in snapshot.releases]
    return next((revisions[-1] for revisions in reversed(reported) if revisions), None)


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
