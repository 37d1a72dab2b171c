"""What `status`, `history` and `why` show, as data: `-o json` prints it as it is. Pure."""

from datetime import datetime, timedelta

from pydantic import Field

from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import Part, Time
from bookstore_operator.crd.release import ENDED_BY_DECISION, BookStoreRelease, Result
from bookstore_operator.crd.stages import STAGES, Stage, find_stage
from bookstore_operator.crd.status import READY, Condition
from kubectl_bookstore.views.evaluate import Evaluation, GateAnswer
from kubectl_bookstore.views.observation import Observation
from kubectl_bookstore.views.outcome import Outcome, condition_of, is_observed, outcome_of
from kubectl_bookstore.views.pods import ComponentView, PodView, components_of, pods_of_release

PASSED, WAITING, FAILED, NOT_REACHED = "Passed", "Waiting", "Failed", "NotReached"
"""The states of gates and stages."""


class GateView(Part):
    """A precondition that was asked now."""

    name: str
    state: str
    reason: str = ""
    message: str = ""
    until: Time | None = None
    stalled: bool = False


class StageView(Part):
    """A stage of a release."""

    name: str
    sentence: str
    state: str
    started_at: Time | None = None
    deadline: Time | None = None
    gates: list[GateView] = Field(default_factory=list)


class ReleaseView(Part):
    """A BookStoreRelease."""

    name: str
    revision: int
    attempt: int
    color: str
    image: str
    active: bool
    matches_spec: bool | None = None
    result: str | None = None
    approved: bool = False
    aborted: bool = False
    rollback_of: str = ""
    overrides: str = ""
    rolled_back_to: str = ""
    reason: str = ""
    message: str = ""
    stage: str | None = None
    created_at: Time | None = None
    promoted_at: Time | None = None
    demoted_at: Time | None = None
    stages: list[StageView] = Field(default_factory=list)
    pods: list[PodView] = Field(default_factory=list)


class StoreView(Part):
    """A BookStore with all that belongs to it."""

    name: str
    namespace: str
    outcome: Outcome
    paused: bool
    generation: int
    observed_generation: int
    reason: str
    message: str
    blocking_gate: str | None = None
    conditions: list[Condition] = Field(default_factory=list)
    releases: list[ReleaseView] = Field(default_factory=list)
    """The newest one and the active one."""
    components: list[ComponentView] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


def view_of(observation: Observation, evaluation: Evaluation) -> StoreView:
    """Return what is shown of a BookStore."""
    snapshot = observation.snapshot
    store = snapshot.store
    reason, message = headline(snapshot, evaluation)
    gate = evaluation.blocking_gate
    notes = [*observation.notes, *([evaluation.problem] if evaluation.problem else [])]
    return StoreView(
        name=store.name,
        namespace=store.metadata.namespace,
        outcome=outcome_of(snapshot, evaluation),
        paused=store.spec.paused,
        generation=store.metadata.generation,
        observed_generation=store.status.observed_generation,
        reason=reason,
        message=message,
        blocking_gate=gate.gate if gate else None,
        conditions=store.status.conditions,
        releases=[
            release_view(observation, release, evaluation) for release in _of_interest(snapshot)
        ],
        components=components_of(snapshot),
        notes=notes,
    )


def headline(snapshot: Snapshot, evaluation: Evaluation) -> tuple[str, str]:
    """Return the reason and the message that matter most now.

    What the operator reports holds unless the same decision, taken on what is there now, says that
    the BookStore waits for something else.
    """
    store, blocking = snapshot.store, evaluation.blocking
    if store.metadata.deletion_timestamp:
        return "Terminating", "The BookStore is being deleted, with all that belongs to it."
    ready = condition_of(snapshot, READY)
    if store.spec.paused:
        message = "spec.paused is true, so the operator updates only the status."
        return "Paused", f"{message} To continue: kubectl bookstore resume {store.name}."
    if not isinstance(blocking, Passed) and (ready is None or not is_observed(snapshot)):
        return blocking.reason, blocking.message
    if not is_observed(snapshot) or ready is None:
        seen = store.status.observed_generation
        return "NotObserved", (
            f"The operator has not seen generation {store.metadata.generation} of the spec yet"
            f"{f', only {seen}' if seen else ''}."
        )
    return ready.reason, ready.message


def history_of(observation: Observation) -> list[ReleaseView]:
    """Return all releases, oldest first."""
    releases = observation.snapshot.releases
    return [release_view(observation, release, None) for release in releases]


def release_view(
    observation: Observation, release: BookStoreRelease, evaluation: Evaluation | None
) -> ReleaseView:
    """Return what is shown of a release; with its stages and Pods if there is an evaluation."""
    snapshot, status = observation.snapshot, release.status
    active = history.active(snapshot)
    manifest = next(
        (obj for key, obj in observation.objects.items() if key.name == release.name), {}
    )
    created = manifest.get("metadata", {}).get("creationTimestamp")
    return ReleaseView(
        name=release.name,
        revision=release.spec.revision,
        attempt=release.spec.attempt,
        color=release.spec.color.value,
        image=release.spec.intent.get("image", ""),
        active=active is not None and active.name == release.name,
        matches_spec=snapshot.matches_spec.get(release.name),
        result=status.result,
        approved=bool(release.spec.approved),
        aborted=bool(release.spec.aborted),
        rollback_of=release.spec.rollback_of,
        overrides=release.spec.overrides,
        rolled_back_to=status.rolled_back_to,
        reason=status.reason,
        message=status.message,
        stage=status.stage,
        created_at=datetime.fromisoformat(created) if created else None,
        promoted_at=status.promoted_at,
        demoted_at=status.demoted_at,
        stages=_stages(snapshot, release, evaluation) if evaluation else [],
        pods=pods_of_release(snapshot, release) if evaluation else [],
    )


def _of_interest(snapshot: Snapshot) -> list[BookStoreRelease]:
    newest, active = history.newest(snapshot), history.active(snapshot)
    releases = [newest] if newest else []
    return [*releases, active] if active and active != newest else releases


_ENDED = frozenset({Result.FAILED, *ENDED_BY_DECISION})

# Stages ---------------------------------------------------------------------------------------


def _stages(
    snapshot: Snapshot, release: BookStoreRelease, evaluation: Evaluation
) -> list[StageView]:
    """Return the stages of a release that is in progress or has failed; of others none."""
    status = release.status
    if status.result not in {None, Result.PROMOTED, *_ENDED}:
        return []
    current = find_stage(status.stage)
    if status.stage and current is None:  # of a newer operator
        return [StageView(name=status.stage, sentence="", state=WAITING)]
    asked = evaluation.gates if release == history.newest(snapshot) else ()
    return [_stage_view(snapshot, release, stage, current, asked) for stage in STAGES]


def _stage_view(
    snapshot: Snapshot,
    release: BookStoreRelease,
    stage: Stage,
    current: Stage | None,
    asked: tuple[GateAnswer, ...],
) -> StageView:
    position = STAGES.index(current) if current else -1
    gates = [gate_view(item) for item in asked if item.stage == stage.name]
    state = _stage_state(release, STAGES.index(stage) - position, gates)
    started = release.status.stage_started_at if stage == current else None
    seconds = stage.deadline_seconds(snapshot.store.spec)
    deadline = started + timedelta(seconds=seconds) if started and seconds else None
    return StageView(
        name=stage.name,
        sentence=stage.sentence,
        state=state,
        started_at=started,
        deadline=deadline if state == WAITING else None,
        gates=gates,
    )


def _stage_state(release: BookStoreRelease, ahead: int, gates: list[GateView]) -> str:
    """Return a stage's state; `ahead` is how many stages it is behind the recorded one."""
    if ahead < 0:
        return PASSED
    if release.status.result in _ENDED:
        return FAILED if ahead == 0 else NOT_REACHED
    for state in (FAILED, WAITING):
        if any(gate.state == state for gate in gates):
            return state
    if gates:  # the next visit goes beyond it
        return PASSED
    return WAITING if ahead == 0 else NOT_REACHED


def gate_view(asked: GateAnswer) -> GateView:
    """Return what is shown of a gate."""
    answer: Answer = asked.answer
    match answer:
        case Passed():
            return GateView(name=asked.gate, state=PASSED)
        case Failed():
            state, until, stalled = FAILED, None, True
        case Waiting():
            state, until, stalled = WAITING, answer.until, answer.stalled
    return GateView(
        name=asked.gate,
        state=state,
        reason=answer.reason,
        message=answer.message,
        until=until,
        stalled=stalled,
    )
