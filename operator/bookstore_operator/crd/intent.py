"""What a change of each field of a BookStore's spec does, and what a release's intent is.

The intent is the part of the spec that makes a release. It is compared after both sides went
through the same model: a default that a newer operator adds is then on both sides, and releases
nothing. Nor does an amount that is written otherwise, `0.5` for `500m`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAlias

from bookstore_operator.crd.base import COMPARED
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.structural import Schema, structural


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
    "cache.embedded": Effect.RELEASE,
    "cache.embedded.resources": Effect.IN_PLACE,
    "cache.external": Effect.RELEASE,
    "staff": Effect.RELEASE,
    "migration": Effect.NEITHER,
    "rollout": Effect.NEITHER,
    "backup": Effect.IN_PLACE,
    "config": Effect.RELEASE,
    "resources": Effect.RELEASE,
    "scheduling": Effect.RELEASE,
    "service": Effect.IN_PLACE,
    "networkPolicy": Effect.IN_PLACE,
    "monitoring": Effect.RELEASE,
    "deletionPolicy": Effect.IN_PLACE,
    "paused": Effect.NEITHER,
}
"""By path; what is said of a group holds for all fields in it that have no line of their own."""


def intent_of(spec: BookStoreSpec, effects: Mapping[str, Effect] = EFFECTS) -> dict[str, Any]:
    """Return the part of a spec that makes a release, with all its defaults written out."""
    everything = spec.model_dump(mode="json", exclude_none=True)
    return _picked(everything, effects)


def compared(spec: BookStoreSpec, effects: Mapping[str, Effect] = EFFECTS) -> dict[str, Any]:
    """Return a spec's intent as it is compared, each amount written in one way only."""
    return _picked(spec.model_dump(mode="json", exclude_none=True, context=COMPARED), effects)


def normalized(
    intent: Mapping[str, Any],
    model: type[BookStoreSpec] = BookStoreSpec,
    effects: Mapping[str, Effect] = EFFECTS,
) -> dict[str, Any]:
    """Return a stored intent as today's model reads it, to be compared with `compared`."""
    return compared(model.model_validate(intent), effects)


def intent_schema(model: type[BookStoreSpec]) -> Schema:
    """Return the schema of an intent: no defaults, no rules, nothing required.

    It is a record: what was true when it was written needs no second judgment. It has all its
    fields typed, for CEL sees only those.
    """
    properties = _picked_schema(structural(model)["properties"])
    bare: Schema = _bare({"type": "object", "properties": properties})
    return bare


Path: TypeAlias = tuple[str, ...]


def _paths(effects: Mapping[str, Effect]) -> list[Path]:
    return [tuple(path.split(".")) for path, effect in effects.items() if effect is Effect.RELEASE]


def _excepted(path: Path, effects: Mapping[str, Effect]) -> list[Path]:
    """Return what lies within a path and has another effect, relative to it."""
    others = (tuple(other.split(".")) for other in effects)
    return [
        other[len(path) :]
        for other in others
        if other[: len(path)] == path and other != path
        if effects[".".join(other)] is not Effect.RELEASE
    ]


def _picked(values: Mapping[str, Any], effects: Mapping[str, Effect]) -> dict[str, Any]:
    picked: dict[str, Any] = {}
    for path in _paths(effects):
        *groups, name = path
        source: Mapping[str, Any] = values
        target = picked
        for group in groups:
            source = source.get(group, {})
            target = target.setdefault(group, {}) if name in source else target
        if name in source:
            target[name] = _without(source[name], _excepted(path, effects))
    return picked


def _without(value: Any, paths: list[Path]) -> Any:
    """Return a value without what lies at these paths in it."""
    for name, *inner in paths:
        if isinstance(value, Mapping) and name in value:
            rest = {key: kept for key, kept in value.items() if key != name}
            value = {**rest, name: _without(value[name], [tuple(inner)])} if inner else rest
    return value


def _picked_schema(properties: Schema) -> Schema:
    picked: Schema = {}
    for path in _paths(EFFECTS):
        *groups, name = path
        source, target = properties, picked
        for group in groups:
            inner = target.setdefault(group, {"type": "object", "properties": {}})
            source, target = source[group]["properties"], inner["properties"]
        within = [_schema_path(excepted) for excepted in _excepted(path, EFFECTS)]
        target[name] = _without(source[name], within)
    return picked


def _schema_path(path: Path) -> Path:
    return tuple(part for name in path for part in ("properties", name))


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
