"""The effect of a change of each field of a BookStore's spec, and the intent of a release.

The intent is the part of the spec whose change starts a release. Both sides of a comparison go
through the same model first: a default that a newer operator adds is then on both sides and starts
no release, and neither does another notation of a quantity (`0.5` for `500m`).
"""

import json
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
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
    "database.embedded.restoredFrom": Effect.RELEASE,
    "database.external": Effect.RELEASE,
    "bootstrap": Effect.NEITHER,
    "cache.embedded": Effect.RELEASE,
    "cache.embedded.resources": Effect.IN_PLACE,
    "cache.external": Effect.RELEASE,
    "staff": Effect.RELEASE,
    "signingKeys": Effect.RELEASE,
    "signingKeys.rotateEveryDays": Effect.NEITHER,
    "smtp": Effect.RELEASE,
    "migration": Effect.NEITHER,
    "rollout": Effect.NEITHER,
    "backup": Effect.IN_PLACE,
    "config": Effect.RELEASE,
    "resources": Effect.RELEASE,
    "env": Effect.RELEASE,
    "secretMounts": Effect.RELEASE,
    "scheduling": Effect.RELEASE,
    "podMetadata": Effect.RELEASE,
    "serviceAccountName": Effect.RELEASE,
    "service": Effect.IN_PLACE,
    "ingress": Effect.IN_PLACE,
    "networkPolicy": Effect.IN_PLACE,
    "monitoring": Effect.RELEASE,
    "deletionPolicy": Effect.IN_PLACE,
    "paused": Effect.NEITHER,
}
"""The effect by path. The effect of a group holds for all its fields without an entry."""


def intent_of(spec: BookStoreSpec, effects: Mapping[str, Effect] = EFFECTS) -> dict[str, Any]:
    """Return the part of a spec whose change starts a release, with defaults filled in."""
    whole_spec = spec.model_dump(mode="json", exclude_none=True)
    return _select(whole_spec, effects)


def compared(spec: BookStoreSpec, effects: Mapping[str, Effect] = EFFECTS) -> dict[str, Any]:
    """Return a spec's intent for a comparison, with quantities in canonical form."""
    return _select(spec.model_dump(mode="json", exclude_none=True, context=COMPARED), effects)


def normalized(
    intent: Mapping[str, Any],
    model: type[BookStoreSpec] = BookStoreSpec,
    effects: Mapping[str, Effect] = EFFECTS,
) -> dict[str, Any]:
    """Return a stored intent as the current model reads it, to compare with `compared`."""
    if model is BookStoreSpec and effects is EFFECTS:
        return dict(_normalized(json.dumps(intent)))
    return compared(model.model_validate(intent), effects)


@lru_cache(maxsize=1024)
def _normalized(intent: str) -> Mapping[str, Any]:
    """Return a stored intent as the current model reads it; a record is read again and again."""
    return compared(BookStoreSpec.model_validate(json.loads(intent)))


def intent_schema(model: type[BookStoreSpec]) -> Schema:
    """Return the schema of an intent: no defaults, no rules, nothing required.

    An intent is a record that was validated when it was written. All its fields are typed, because
    CEL rules can read typed fields only.
    """
    properties = _select_schema(structural(model)["properties"])
    types_only: Schema = _types_only({"type": "object", "properties": properties})
    return types_only


Path: TypeAlias = tuple[str, ...]


def _paths(effects: Mapping[str, Effect]) -> list[Path]:
    return [tuple(path.split(".")) for path, effect in effects.items() if effect is Effect.RELEASE]


def _selected(effects: Mapping[str, Effect]) -> list[tuple[Path, list[Path]]]:
    """Return the paths that release, each with the exceptions below it."""
    return [(path, _exceptions(path, effects)) for path in _paths(effects)]


def _exceptions(path: Path, effects: Mapping[str, Effect]) -> list[Path]:
    """Return the paths below a path that have another effect, relative to it."""
    others = (tuple(other.split(".")) for other in effects)
    return [
        other[len(path) :]
        for other in others
        if other[: len(path)] == path and other != path
        if effects[".".join(other)] is not Effect.RELEASE
    ]


def _select(values: Mapping[str, Any], effects: Mapping[str, Effect]) -> dict[str, Any]:
    selection: dict[str, Any] = {}
    for path, exceptions in _SELECTED if effects is EFFECTS else _selected(effects):
        *groups, name = path
        source: Mapping[str, Any] = values
        for group in groups:
            source = source.get(group, {})
        if name not in source:
            continue
        target = selection
        for group in groups:
            target = target.setdefault(group, {})
        target[name] = _without(source[name], exceptions)
    return selection


_SELECTED = _selected(EFFECTS)


def _without(value: Any, paths: list[Path]) -> Any:
    """Return a value without the fields at these paths."""
    for name, *inner in paths:
        if isinstance(value, Mapping) and name in value:
            rest = {key: item for key, item in value.items() if key != name}
            value = {**rest, name: _without(value[name], [tuple(inner)])} if inner else rest
    return value


def _select_schema(properties: Schema) -> Schema:
    selection: Schema = {}
    for path in _paths(EFFECTS):
        *groups, name = path
        source, target = properties, selection
        for group in groups:
            inner = target.setdefault(group, {"type": "object", "properties": {}})
            source, target = source[group]["properties"], inner["properties"]
        exceptions = [_schema_path(exception) for exception in _exceptions(path, EFFECTS)]
        target[name] = _without(source[name], exceptions)
    return selection


def _schema_path(path: Path) -> Path:
    return tuple(part for name in path for part in ("properties", name))


_NO_TYPES = frozenset(
    {"default", "required", "description", "pattern", "x-kubernetes-validations"}
    | {"x-kubernetes-list-type", "x-kubernetes-list-map-keys"}
)


def _types_only(node: Any) -> Any:
    """Return a schema without defaults, rules, descriptions, patterns and required fields."""
    if not isinstance(node, dict):
        return node
    typed = {key: value for key, value in node.items() if key not in _NO_TYPES}
    if "properties" in typed:
        fields = typed["properties"].items()
        typed["properties"] = {name: _types_only(field) for name, field in fields}
    for key in ("items", "additionalProperties"):
        if key in typed:
            typed[key] = _types_only(typed[key])
    return typed
