"""Why a BookStore is not done: from the gate that blocks to the object, its cause and the page."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from pydantic import Field

from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.reasons import WARNING_REASONS
from bookstore_operator.crd.base import Part
from bookstore_operator.crd.status import READY, RECONCILING, STALLED, ConditionStatus
from kubectl_bookstore.views.advice import Advice
from kubectl_bookstore.views.observation import Observation
from kubectl_bookstore.views.outcome import Outcome
from kubectl_bookstore.views.status import FAILED, WAITING, ReleaseView, StoreView

_WORD = re.compile(r"[A-Za-z0-9](?:[-.A-Za-z0-9]*[A-Za-z0-9])?")


class ObjectView(Part):
    """An object that a message names."""

    kind: str
    name: str
    command: str
    """Shows more about it."""


class Cause(Part):
    """A problem, and what the reference says about it."""

    reason: str
    message: str
    meaning: str = ""
    todo: str = ""
    continues: str = ""
    page: str = ""
    objects: list[ObjectView] = Field(default_factory=list)


class WhyView(Part):
    """Why a BookStore is not done."""

    name: str
    namespace: str
    outcome: Outcome
    release: str | None = None
    stage: str | None = None
    gate: str | None = None
    causes: list[Cause] = Field(default_factory=list)
    """What blocks most comes first."""
    notes: list[str] = Field(default_factory=list)


def why_of(view: StoreView, observation: Observation, advice: Mapping[str, Advice]) -> WhyView:
    """Return why a BookStore is not done; without causes if it is."""
    release = view.releases[0] if view.releases else None
    blocked = release if release and _is_blocked(release, view) else None
    stages = blocked.stages if blocked else []
    stage = next((s.name for s in stages if s.state in {WAITING, FAILED}), None)
    problems: dict[str, str] = {}
    for reason, message in _problems(view):
        problems.setdefault(message, reason)  # conditions repeat a message, with other reasons
    return WhyView(
        name=view.name,
        namespace=view.namespace,
        outcome=view.outcome,
        release=blocked.name if blocked else None,
        stage=stage,
        gate=view.blocking_gate,
        causes=[
            _cause(view, observation, reason, message, advice)
            for message, reason in problems.items()
        ],
        notes=view.notes,
    )


def _is_blocked(release: ReleaseView, view: StoreView) -> bool:
    """Whether it is the newest release that the BookStore waits for."""
    return view.outcome is not Outcome.DONE and any(
        stage.state in {WAITING, FAILED} for stage in release.stages
    )


def _problems(view: StoreView) -> Iterator[tuple[str, str]]:
    """Yield reason and message of what blocks, then of the other conditions with a problem."""
    if view.outcome is not Outcome.DONE:
        yield view.reason, view.message
    for condition in view.conditions:
        if condition.type in {READY, RECONCILING, STALLED}:
            continue
        if condition.reason in WARNING_REASONS or condition.status is ConditionStatus.FALSE:
            yield condition.reason, condition.message


def _cause(
    view: StoreView,
    observation: Observation,
    reason: str,
    message: str,
    advice: Mapping[str, Advice],
) -> Cause:
    known = advice.get(reason) or Advice(meaning="", page="")
    return Cause(
        reason=reason,
        message=message,
        meaning=known.meaning,
        todo=known.todo,
        continues=known.continues,
        page=known.page,
        objects=list(_named_objects(view, observation, message)),
    )


def _named_objects(view: StoreView, observation: Observation, message: str) -> Iterator[ObjectView]:
    """Yield the objects that a message names by kind and name."""
    pairs = set(pairwise(_WORD.findall(message)))
    found: Mapping[ObjectRef, Manifest] = observation.objects
    secrets = [ObjectRef("v1", "Secret", name) for name in observation.snapshot.secrets]
    for key in (*sorted(found, key=lambda key: (key.kind, key.name)), *secrets):
        if (key.kind, key.name) in pairs:
            command = f"kubectl describe {key.kind.lower()} {key.name} -n {view.namespace}"
            yield ObjectView(kind=key.kind, name=key.name, command=command)
