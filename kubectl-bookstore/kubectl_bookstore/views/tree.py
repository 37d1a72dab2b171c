"""A BookStore as a tree: release → stages → gates → Pods, with their problems. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bookstore_operator.core.reasons import WARNING_REASONS
from bookstore_operator.crd.release import Result
from bookstore_operator.crd.status import READY, RECONCILING, STALLED, ConditionStatus
from kubectl_bookstore.views.outcome import Outcome
from kubectl_bookstore.views.pods import ComponentView, PodView
from kubectl_bookstore.views.status import (
    FAILED,
    NOT_REACHED,
    PASSED,
    WAITING,
    GateView,
    ReleaseView,
    StageView,
    StoreView,
)
from kubectl_bookstore.views.text import age, clean, words


class Mark(StrEnum):
    """How a line of the tree is, as a sign and a color."""

    GOOD = "✔"
    WAITING = "◷"
    BAD = "✖"
    PROBLEM = "!"
    NOT_REACHED = "·"
    PAUSED = "‖"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A line of the tree and the lines below it."""

    mark: Mark
    title: str
    detail: str = ""
    children: tuple["Node", ...] = ()


_MARKS = {PASSED: Mark.GOOD, WAITING: Mark.WAITING, FAILED: Mark.BAD, NOT_REACHED: Mark.NOT_REACHED}
_OUTCOMES = {
    Outcome.DONE: Mark.GOOD,
    Outcome.IN_PROGRESS: Mark.WAITING,
    Outcome.WAITING_FOR_PERSON: Mark.PROBLEM,
    Outcome.FAILED: Mark.BAD,
    Outcome.TERMINATING: Mark.WAITING,
}


def tree_of(view: StoreView, now: datetime) -> Node:
    """Return the tree of a BookStore."""
    mark = Mark.PAUSED if view.paused else _OUTCOMES[view.outcome]
    children = (
        *_conditions(view),
        *(_release(release, now) for release in view.releases),
        *(_component(component) for component in view.components),
    )
    title = f"BookStore {view.namespace}/{view.name}"
    return Node(mark, title, f"{view.reason}: {clean(view.message)}", children)


def _conditions(view: StoreView) -> Iterator[Node]:
    """Yield the conditions with a problem that the first line does not have already."""
    for condition in view.conditions:
        if condition.type in {READY, RECONCILING, STALLED} or condition.message == view.message:
            continue
        problem = condition.reason in WARNING_REASONS
        if condition.status is ConditionStatus.FALSE or problem:
            yield Node(
                Mark.PROBLEM if problem else Mark.WAITING,
                f"{condition.type} is {condition.status}",
                f"{condition.reason}: {clean(condition.message)}",
            )


def _release(release: ReleaseView, now: datetime) -> Node:
    role = ["serves"] if release.active else []
    role += [f"as {release.rollback_of}"] if release.overrides else []
    role += ["approved"] if release.approved and not release.result else []
    attempt = [f"attempt {release.attempt}"] if release.attempt > 1 else []
    facts = [f"revision {release.revision}", *attempt, release.color, clean(release.image)]
    since = release.promoted_at or release.created_at
    state = release.result or ("Aborting" if release.aborted else "in progress")
    ago = [f"{state} for {age(since, now)}" if state == "in progress" and since else state]
    failed = release.result in {Result.FAILED, Result.ABORTED, Result.ROLLED_BACK}
    children = (
        *(_stage(stage, release, now) for stage in release.stages),
        *(_pod(pod) for pod in release.pods),
    )
    mark = Mark.BAD if failed else Mark.GOOD if release.result else Mark.WAITING
    return Node(mark, f"Release {release.name}", ", ".join([*facts, *role, *ago]), children)


def _stage(stage: StageView, release: ReleaseView, now: datetime) -> Node:
    detail = stage.sentence
    if stage.state == WAITING and stage.started_at:
        detail = f"{detail}: for {age(stage.started_at, now)}"
        if stage.deadline and now < stage.deadline:
            detail += f", at most {age(now, stage.deadline)} more"
    if stage.state == FAILED:
        detail = f"{release.reason}: {clean(release.message)}"
        return Node(Mark.BAD, stage.name, detail)
    return Node(_MARKS[stage.state], stage.name, detail, tuple(_gate(gate) for gate in stage.gates))


def _gate(gate: GateView) -> Node:
    detail = f"{gate.reason}: {clean(gate.message)}" if gate.reason else ""
    mark = Mark.PROBLEM if gate.stalled and gate.state == WAITING else _MARKS[gate.state]
    return Node(mark, words(gate.name), detail)


def _pod(pod: PodView) -> Node:
    state = [pod.phase, *(["ready"] if pod.ready else [])]
    state += [f"{pod.restarts} restarts"] if pod.restarts else []
    problem = f": {clean(pod.problem.message)}" if pod.problem else ""
    over = pod.phase == "Succeeded"
    mark = Mark.GOOD if pod.ready or over else Mark.WAITING
    if pod.phase == "Failed" or (pod.problem and pod.problem.reason in WARNING_REASONS):
        mark = Mark.BAD
    return Node(mark, f"Pod {pod.name}", ", ".join(state) + problem)


def _component(component: ComponentView) -> Node:
    children = (
        *(Node(Mark.NONE, f"{w.kind} {w.name}", w.summary) for w in component.workloads),
        *(_pod(pod) for pod in component.pods),
    )
    return Node(Mark.NONE, component.name, "", children)
