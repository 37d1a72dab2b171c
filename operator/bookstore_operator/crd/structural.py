"""Convert pydantic's JSON schema to the structural schema that a CRD must have.

References are inlined, `anyOf … null` becomes an optional field, and titles are dropped.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel

Schema: TypeAlias = dict[str, Any]

DROPPED = frozenset({"title", "$defs", "discriminator"})


def structural(model: type[BaseModel]) -> Schema:
    """Return the structural schema of a model, in the form that a CRD needs."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _flat(raw, raw.get("$defs", {}))


def _flat(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    node = _without_null(_inlined(node, definitions), definitions)
    flat = {key: value for key, value in node.items() if key not in DROPPED and value is not None}
    if "properties" in flat:
        flat["properties"] = {
            name: _flat(field, definitions) for name, field in node["properties"].items()
        }
        flat.pop("additionalProperties", None)
    if isinstance(flat.get("items"), dict):
        flat["items"] = _flat(flat["items"], definitions)
    if isinstance(flat.get("additionalProperties"), dict):
        flat["additionalProperties"] = _flat(flat["additionalProperties"], definitions)
    if flat.get("additionalProperties") is True:
        del flat["additionalProperties"]
        flat["x-kubernetes-preserve-unknown-fields"] = True
    return flat


def _inlined(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Inline a reference; its sibling keys (a description) take precedence over its target's."""
    if "$ref" not in node:
        return node
    target = definitions[node["$ref"].rsplit("/", 1)[-1]]
    siblings = {key: value for key, value in node.items() if key != "$ref"}
    merged = {**_inlined(target, definitions), **siblings}
    both = [
        *target.get("x-kubernetes-validations", ()),
        *siblings.get("x-kubernetes-validations", ()),
    ]
    return {**merged, "x-kubernetes-validations": both} if both else merged


def _without_null(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return `anyOf: [X, null]` as X: a field that may be absent."""
    choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) != 1:
        return node
    siblings = {key: value for key, value in node.items() if key != "anyOf"}
    return {**_inlined(choices[0], definitions), **siblings}
