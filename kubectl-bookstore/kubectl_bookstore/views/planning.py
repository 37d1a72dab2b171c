"""A Plan for people: what changes in which object, why, and what the release does then. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from pydantic import Field

from bookstore_operator.core import history
from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.kinds import DEPLOYMENTS, RELEASES, SECRETS, key_of
from bookstore_operator.core.plan import (
    Action,
    Apply,
    ChangeKeySet,
    Create,
    CreateSecret,
    Delete,
    Manifest,
    ObjectRef,
    Scale,
    SetFinalizers,
    WriteStatus,
)
from bookstore_operator.core.reasons import WARNING_REASONS
from bookstore_operator.crd.base import Part
from bookstore_operator.crd.intent import EFFECTS, Effect
from bookstore_operator.crd.release import Result
from bookstore_operator.crd.stages import STAGES, Stage, find_stage
from bookstore_operator.crd.status import READY, ConditionStatus
from kubectl_bookstore.views.diff import HIDDEN, before_apply, diff, masked, status_diff
from kubectl_bookstore.views.evaluate import Evaluation
from kubectl_bookstore.views.observation import Observation
from kubectl_bookstore.views.outcome import condition_of


class FieldChange(Part):
    """A field of the spec that the file changes."""

    path: str
    before: Any = None
    after: Any = None
    effect: str


class ActionView(Part):
    """An action of the Plan."""

    verb: str
    kind: str
    name: str
    reason: str
    message: str
    irreversible: bool = False
    diff: list[str] = Field(default_factory=list)


class EventView(Part):
    """An event that the operator would post."""

    type: str
    reason: str
    message: str


class StageAhead(Part):
    """A stage that the release has still to complete."""

    name: str
    sentence: str


class PlanView(Part):
    """What the operator would do in its next reconciliation."""

    name: str
    namespace: str
    changes: list[FieldChange] = Field(default_factory=list)
    actions: list[ActionView] = Field(default_factory=list)
    events: list[EventView] = Field(default_factory=list)
    waits_for: str | None = None
    """The reason and the message of what blocks; None if nothing does."""
    again_after_seconds: int | None = None
    stages_ahead: list[StageAhead] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


def plan_view(
    observation: Observation,
    evaluation: Evaluation,
    live_spec: Manifest | None,
    notes: tuple[str, ...] = (),
) -> PlanView:
    """Return what is shown of a Plan.

    Args:
        observation: what the decision is based on.
        evaluation: the decision.
        live_spec: the BookStore's spec in the cluster; None if it does not exist yet.
        notes: what else a person should know.

    """
    plan, blocking = evaluation.plan, evaluation.blocking
    spec = observation.manifest["spec"]
    after = plan.requeue_after
    problem = [evaluation.problem] if evaluation.problem else []
    waits = getattr(blocking, "reason", None)
    return PlanView(
        name=observation.snapshot.store.name,
        namespace=observation.namespace,
        changes=[] if live_spec is None else list(changes_of(live_spec, spec)),
        actions=[_action_view(observation, action) for action in plan.actions],
        events=[
            EventView(type=event.type, reason=event.reason, message=event.message)
            for event in plan.events
        ],
        waits_for=f"{waits}: {getattr(blocking, 'message', '')}" if waits else None,
        again_after_seconds=int(after.total_seconds()) if after else None,
        stages_ahead=[
            StageAhead(name=stage.name, sentence=stage.sentence)
            for stage in _stages_ahead(observation, evaluation)
        ],
        notes=[*observation.notes, *notes, *problem, *_only_reported(observation, evaluation)],
    )


def _only_reported(observation: Observation, evaluation: Evaluation) -> Iterator[str]:
    """Yield what the operator reports and this plan can't know, such as a rejected write."""
    ready = condition_of(observation.snapshot, READY)
    if ready is None or ready.status is ConditionStatus.TRUE:
        return
    if ready.reason in WARNING_REASONS - {getattr(evaluation.blocking, "reason", None)}:
        yield (
            f"The operator reports {ready.reason}, of which this plan does not know more: "
            f"{ready.message}"
        )


# Fields of the spec -----------------------------------------------------------------------------


def changes_of(before: Manifest, after: Manifest) -> Iterator[FieldChange]:
    """Yield the fields in which two specs differ, with the effect of a change of each."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    for path in dict.fromkeys([*new, *old]):
        if old.get(path) != new.get(path):
            effect = effect_of(path)
            yield FieldChange(
                path=path,
                before=old.get(path),
                after=new.get(path),
                effect=effect.value if effect else "unknown to this version of the plugin",
            )


def effect_of(path: str) -> Effect | None:
    """Return the effect of a change of a field of the spec; None for an unknown field."""
    parts = path.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((EFFECTS[prefix] for prefix in prefixes if prefix in EFFECTS), None)


def _leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        inner = f"{path}.{key}" if path else key
        if isinstance(item, Mapping) and item:
            yield from _leaves(item, inner)
        else:
            yield inner, item


# Actions ----------------------------------------------------------------------------------------


def _action_view(observation: Observation, action: Action) -> ActionView:
    verb, key, lines = _shown(observation, action)
    return ActionView(
        verb=verb,
        kind=key.kind,
        name=key.name,
        reason=action.reason,
        message=action.message,
        irreversible=action.irreversible,
        diff=lines,
    )


def _shown(observation: Observation, action: Action) -> tuple[str, ObjectRef, list[str]]:
    """Return the verb of an action, its object, and the difference it makes."""
    match action:
        case Apply():
            key = key_of(action.manifest)
            observed = observation.objects.get(key)
            before = masked(before_apply(action.manifest, observed)) if observed else None
            lines = diff(before, masked(action.manifest))
            exists = observed is not None or key.kind == SECRETS.kind  # which are not listed
            return "update" if exists else "create", key, lines
        case Create():
            return "create", key_of(action.manifest), diff(None, masked(action.manifest))
        case CreateSecret():
            generated = dict.fromkeys(action.keys, HIDDEN)
            manifest = masked(action.manifest)
            manifest["data"] = {**(manifest.get("data") or {}), **generated}
            return "create", key_of(action.manifest), diff(None, manifest)
        case Scale():
            key = DEPLOYMENTS.ref(action.deployment)
            now = (observation.objects.get(key) or {}).get("spec", {}).get("replicas")
            before = None if now is None else {"replicas": now}
            return "scale", key, diff(before, {"replicas": action.replicas})
        case Delete() | SetFinalizers() | ChangeKeySet():  # no key is ever shown
            return "delete" if isinstance(action, Delete) else "update", action.key, []
        case WriteStatus():
            lines = status_diff(_status(observation, action.key), action.status)
            return "record", action.key, lines
        case _:
            assert_never(action)


def _status(observation: Observation, key: ObjectRef) -> Manifest:
    manifest = observation.objects.get(key) or observation.manifest
    status: Manifest = manifest.get("status") or {}
    return status


# The release ------------------------------------------------------------------------------------


def _stages_ahead(observation: Observation, evaluation: Evaluation) -> tuple[Stage, ...]:
    """Return the stages that the release has still to complete after this Plan."""
    for action in evaluation.plan.actions:
        if isinstance(action, Create) and action.manifest["kind"] == RELEASES.kind:
            return STAGES
    newest = history.newest(observation.snapshot)
    if newest is None or not isinstance(evaluation.blocking, Waiting):
        return ()
    recorded = newest.status.manifest()
    for action in evaluation.plan.actions:
        if isinstance(action, WriteStatus) and action.key == RELEASES.ref(newest.name):
            recorded = dict(action.status)
    if recorded.get("result") not in (None, Result.PROMOTED.value):
        return ()
    stage = find_stage(recorded.get("stage"))
    return STAGES[STAGES.index(stage) :] if stage else ()
