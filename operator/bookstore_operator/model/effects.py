"""What a change of each field of a BookStore's spec does, and what a release's intent is.

The intent is the part of the spec that makes a release. It is compared after both sides went
through the same model: a default that a newer operator adds is then on both sides, and releases
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from bookstore_operator.model.bookstore import BookStoreSpec
from bookstore_operator.model.structural import Schema, structural


class Effect(Enum):
    """What a change of a field does."""

    RELEASE = "starts a release"
    IN_PLACE = "changes objects in place"
    NEITHER = "changes only what the operator does from now on"


EFFECTS: Mapping[str, Effect] = {
    "image": Effect.RELEASE,
    "environment": Effect.RELEASE,
    "imagePullPolicy": Effect.RELEASE,
    "imagePullSecrets": Effect.RELEASE,
    "replicas": Effect.IN_PLACE,
    "autoscaling": Effect.IN_PLACE,
    "database.embedded": Effect.IN_PLACE,
    "database.external": Effect.RELEASE,
    "migration": Effect.NEITHER,
    "rollout": Effect.NEITHER,
    "backup": Effect.IN_PLACE,
    "config": Effect.RELEASE,
    "resources": Effect.RELEASE,
    "scheduling": Effect.RELEASE,
    "service": Effect.IN_PLACE,
    "networkPolicy": Effect.IN_PLACE,
    "deletionPolicy": Effect.IN_PLACE,
    "paused": Effect.NEITHER,
}
"""By path; what is said of a group holds for all fields in it."""


def intent_of(spec: BookStoreSpec, effects: Mapping[str, Effect] = EFFECTS) -> dict[str, Any]:
    """Return the part of a spec that makes a release, with all its defaults written out."""
    everything = spec.model_dump(mode="json", exclude_none=True)
    return _picked(everything, effects)


def normalised(
    intent: Mapping[str, Any],
    model: type[BookStoreSpec] = BookStoreSpec,
    effects: Mapping[str, Effect] = EFFECTS,
) -> dict[str, Any]:
    """Return a stored intent as today's model reads it, to be compared with `intent_of`."""
    return intent_of(model.model_validate(intent), effects)


def intent_schema(model: type[BookStoreSpec]) -> Schema:
    """Return the schema of an intent: no defaults, no rules, nothing required.

    It is a record: what was true when it was written needs no second judgement. It has all its
    fields typed, for CEL sees only those.
    """
    properties = _picked_schema(structural(model)["properties"])
    bare: Schema = _bare({"type": "object", "properties": properties})
    return bare


def _paths(effects: Mapping[str, Effect]) -> list[list[str]]:
    return [path.split(".") for path, effect in effects.items() if effect is Effect.RELEASE]


def _picked(values: Mapping[str, Any], effects: Mapping[str, Effect]) -> dict[str, Any]:
    picked: dict[str, Any] = {}
    for *groups, name in _paths(effects):
        source: Mapping[str, Any] = values
        target = picked
        for group in groups:
            source = source.get(group, {})
            target = target.setdefault(group, {}) if name in source else target
        if name in source:
            target[name] = source[name]
    return picked


def _picked_schema(properties: Schema) -> Schema:
    picked: Schema = {}
    for *groups, name in _paths(EFFECTS):
        source, target = properties, picked
        for group in groups:
            inner = target.setdefault(group, {"type": "object", "properties": {}})
            source, target = source[group]["properties"], inner["properties"]
        target[name] = source[name]
    return picked


def _bare(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    kept = {
        key: value
        for key, value in node.items()
        if key not in {"default", "required", "x-kubernetes-validations", "description", "pattern"}
    }
    if "properties" in kept:
        kept["properties"] = {name: _bare(field) for name, field in kept["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in kept:
            kept[key] = _bare(kept[key])
    return kept
