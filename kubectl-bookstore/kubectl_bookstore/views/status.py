"""What `status`, `history` and `why` show, as data: `-o json` prints it as it is. Pure."""

from datetime import datetime, timedelta

from pydantic import Field

from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.kinds import CRON_JOBS, DEPLOYMENTS, PODS, STATEFUL_SETS
from bookstore_operator.core.labels import (
    COMPONENT_LABEL,
    RELEASE_LABEL,
    Component,
    release_selector,
)
from bookstore_operator.core.lookup import all_of, condition, label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import Part, Time
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.crd.stages import STAGES, Stage, find_stage
from bookstore_operator.crd.status import READY, Condition
from bookstore_operator.workloads.jobs import job_name
from bookstore_operator.workloads.pod_problems import problem_of_pod
from kubectl_bookstore.views.evaluate import Evaluation, GateAnswer
from kubectl_bookstore.views.observation import Observation
from kubectl_bookstore.views.outcome import Outcome, condition_of, is_observed, outcome_of

PASSED, WAITING, FAILED, NOT_REACHED = "Passed", "Waiting", "Failed", "NotReached"
"""The states of gates and stages."""


class ProblemView(Part):
    """What keeps a Pod from serving."""

    reason: str
    message: str


class PodView(Part):
    """A Pod."""

    name: str
    phase: str
    ready: bool
    restarts: int
    problem: ProblemView | None = None


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
    aborted: bool = False
    reason: str = ""
    message: str = ""
    stage: str | None = None
    created_at: Time | None = None
    promoted_at: Time | None = None
    demoted_at: Time | None = None
    stages: list[StageView] = Field(default_factory=list)
    pods: list[PodView] = Field(default_factory=list)


class WorkloadView(Part):
    """A Deployment, StatefulSet or CronJob of a component."""

    kind: str
    name: str
    summary: str


class ComponentView(Part):
    """A part of the BookStore besides the API."""

    name: str
    workloads: list[WorkloadView] = Field(default_factory=list)
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
        components=_components(snapshot),
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
        aborted=bool(release.spec.aborted),
        reason=status.reason,
        message=status.message,
        stage=status.stage,
        created_at=datetime.fromisoformat(created) if created else None,
        promoted_at=status.promoted_at,
        demoted_at=status.demoted_at,
        stages=_stages(snapshot, release, evaluation) if evaluation else [],
        pods=_pods_of_release(snapshot, release) if evaluation else [],
    )


def _of_interest(snapshot: Snapshot) -> list[BookStoreRelease]:
    newest, active = history.newest(snapshot), history.active(snapshot)
    releases = [newest] if newest else []
    return [*releases, active] if active and active != newest else releases


# Stages ---------------------------------------------------------------------------------------


def _stages(
    snapshot: Snapshot, release: BookStoreRelease, evaluation: Evaluation
) -> list[StageView]:
    """Return the stages of a release that is in progress or has failed; of others none."""
    status = release.status
    if status.result not in (None, Result.PROMOTED, Result.FAILED):
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
    if release.status.result is Result.FAILED:
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


# Pods -----------------------------------------------------------------------------------------


def _pods_of_release(snapshot: Snapshot, release: BookStoreRelease) -> list[PodView]:
    selectors = (release_selector(release), {RELEASE_LABEL: release.name})
    return [
        pod_view(snapshot, pod)
        for pod in all_of(snapshot, PODS)
        if any(s.items() <= (pod["metadata"].get("labels") or {}).items() for s in selectors)
    ]


def pod_view(snapshot: Snapshot, pod: Manifest) -> PodView:
    """Return what is shown of a Pod."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    ends = [(container.get("state") or {}).get("terminated") for container in containers]
    over = bool(ends) and all(end is not None for end in ends)
    result = "Succeeded" if all(end and end.get("exitCode") == 0 for end in ends) else "Failed"
    phase = status.get("phase") or (result if over else "Unknown")
    of_job = job_name(pod) is not None
    problem = None if over and of_job else problem_of_pod(snapshot, pod)
    return PodView(
        name=pod["metadata"]["name"],
        phase="Terminating" if pod["metadata"].get("deletionTimestamp") else phase,
        ready=condition(pod, "Ready") is not None,
        restarts=sum(container.get("restartCount", 0) for container in containers),
        problem=ProblemView(reason=problem.reason, message=problem.message) if problem else None,
    )


def _components(snapshot: Snapshot) -> list[ComponentView]:
    """Return the parts besides the API and its migrations, which releases have."""
    views = []
    for name in Component:
        if name in {Component.API, Component.MIGRATION, Component.CHECK}:
            continue
        workloads = [
            WorkloadView(kind=obj["kind"], name=obj["metadata"]["name"], summary=_summary(obj))
            for resource in (STATEFUL_SETS, DEPLOYMENTS, CRON_JOBS)
            for obj in all_of(snapshot, resource)
            if label(obj, COMPONENT_LABEL) == name.value
        ]
        pods = [
            pod_view(snapshot, pod)
            for pod in all_of(snapshot, PODS)
            if label(pod, COMPONENT_LABEL) == name.value
        ]
        if workloads or pods:
            views.append(ComponentView(name=name.value, workloads=workloads, pods=pods))
    return views


def _summary(workload: Manifest) -> str:
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    if workload["kind"] == CRON_JOBS.kind:
        last = status.get("lastSuccessfulTime")
        suspended = "suspended, " if spec.get("suspend") else ""
        return f"{suspended}at {spec.get('schedule')}, last success {last or 'never'}"
    return f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)} ready"
