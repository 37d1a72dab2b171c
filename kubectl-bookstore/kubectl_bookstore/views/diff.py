"""The difference that an action makes to an object, as server-side apply makes it. Pure."""

import difflib
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from bookstore_operator.core.drift import is_same
from bookstore_operator.core.labels import APPLIED_ANNOTATION
from bookstore_operator.core.plan import FIELD_MANAGER, Manifest

HIDDEN = "<hidden>"
_VALUES = ("data", "stringData")
_NO_FIELDS: Mapping[str, Any] = {}


def diff(before: Any, after: Any) -> list[str]:
    """Return the lines that differ between two objects as YAML, with some lines around them."""
    lines = list(difflib.unified_diff(_yaml(before), _yaml(after), lineterm="", n=2))
    return lines[2:]  # without the names of files


def before_apply(desired: Manifest, observed: Manifest) -> dict[str, Any]:
    """Return the part of an observed object that applying `desired` writes.

    That is its value of every desired field, and every field that the operator has applied before
    and no longer desires: it will be removed. Fields of others are left out.
    """
    before: dict[str, Any] = _before(desired, observed, _applied_fields(observed), ())
    return before


def status_diff(before: Manifest, after: Manifest) -> list[str]:
    """Return the lines that differ between two statuses, without the times of conditions."""
    ordered = {key: before[key] for key in (*after, *before) if key in before}
    return diff(_without_times(ordered, after), _without_times(after, after))


_TIMES = frozenset({"observedGeneration", "lastTransitionTime"})


def _without_times(status: Manifest, like: Manifest) -> dict[str, Any]:
    """Return a status whose conditions have no times and their keys in the order of another's."""
    order = [key for item in like.get("conditions") or () for key in item]
    conditions = [
        {key: item[key] for key in (*order, *item) if key in item.keys() - _TIMES}
        for item in status.get("conditions") or ()
    ]
    return {**status, **({"conditions": conditions} if conditions else {})}


def masked(manifest: Manifest) -> dict[str, Any]:
    """Return an object without values of Secrets and without what is noise in a diff."""
    shown = {key: value for key, value in manifest.items() if key != "status"}
    if manifest.get("kind") == "Secret":
        for key in _VALUES:
            if key in shown:
                shown[key] = dict.fromkeys(shown[key], HIDDEN)
    metadata = dict(manifest.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(APPLIED_ANNOTATION, None)
    metadata.pop("annotations", None)
    shown["metadata"] = {**metadata, **({"annotations": annotations} if annotations else {})}
    template = (shown.get("spec") or {}).get("podTemplate")
    if isinstance(template, str):
        shown["spec"] = {**shown["spec"], "podTemplate": json.loads(template)}
    return shown


def _yaml(value: Any) -> list[str]:
    if value in (None, {}):
        return []
    copy = json.loads(json.dumps(value))  # shared parts would become YAML anchors
    text = yaml.safe_dump(copy, sort_keys=False, allow_unicode=True, width=10_000)
    return text.splitlines()


def _applied_fields(observed: Manifest) -> Mapping[str, Any]:
    """Return the fields (FieldsV1) that the operator has applied."""
    for entry in observed["metadata"].get("managedFields") or ():
        applied = entry.get("operation") == "Apply" and not entry.get("subresource")
        if applied and entry.get("manager") == FIELD_MANAGER:
            fields: Mapping[str, Any] = entry.get("fieldsV1") or _NO_FIELDS
            return fields
    return _NO_FIELDS


def _before(desired: Any, observed: Any, fields: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    if isinstance(desired, Mapping) and isinstance(observed, Mapping):
        return _map_before(desired, observed, fields, path)
    if isinstance(desired, list) and isinstance(observed, list):
        return _list_before(desired, observed, fields, path)
    return desired if is_same(desired, observed, path) else observed


def _map_before(
    desired: Mapping[str, Any],
    observed: Mapping[str, Any],
    fields: Mapping[str, Any],
    path: tuple[str, ...],
) -> dict[str, Any]:
    before = {
        key: _before(value, observed.get(key), fields.get(f"f:{key}", _NO_FIELDS), (*path, key))
        for key, value in desired.items()
        if key in observed or is_same(value, None, (*path, key))
    }
    for name, inner in fields.items():
        key = name.removeprefix("f:")
        if name.startswith("f:") and key not in desired and key in observed:
            before[key] = _owned(observed[key], inner)
    return before


def _list_before(
    desired: list[Any], observed: list[Any], fields: Mapping[str, Any], path: tuple[str, ...]
) -> list[Any]:
    keys = {key for names in _item_keys(fields) for key in names} or {"name"}
    if not all(isinstance(i, Mapping) and keys & i.keys() for i in (*desired, *observed)):
        whole: list[Any] = _in_order(observed, desired)  # which is replaced
        return whole
    before = []
    for item in observed:
        match = next((other for other in desired if _same_item(item, other, keys)), None)
        inner = _fields_of_item(item, fields)
        if match is not None:
            before.append(_before(match, item, inner or _NO_FIELDS, path))
        elif inner is not None:
            before.append(_owned(item, inner))
    return before


def _in_order(observed: Any, desired: Any) -> Any:
    """Return an observed value with the keys of its maps in the order of the desired one's."""
    if isinstance(desired, Mapping) and isinstance(observed, Mapping):
        order = [key for key in (*desired, *observed) if key in observed]
        return {key: _in_order(observed[key], desired.get(key)) for key in order}
    if isinstance(desired, list) and isinstance(observed, list):
        pairs = itertools.zip_longest(observed, desired[: len(observed)])
        return [_in_order(item, other) for item, other in pairs]
    return observed


def _owned(value: Any, fields: Mapping[str, Any]) -> Any:
    """Return the part of a value that has an owner's fields."""
    if not set(fields) - {"."}:
        return value
    if isinstance(value, Mapping):
        names = [name.removeprefix("f:") for name in fields if name.startswith("f:")]
        return {key: _owned(value[key], fields[f"f:{key}"]) for key in names if key in value}
    if isinstance(value, list):
        pairs = ((item, _fields_of_item(item, fields)) for item in value)
        return [_owned(item, inner) for item, inner in pairs if inner is not None]
    return value


def _item_keys(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the keys by which items of a list are identified: `k:{"name":"api"}`."""
    for name in fields:
        if name.startswith("k:"):
            yield json.loads(name.removeprefix("k:"))


def _fields_of_item(item: Any, fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for name, inner in fields.items():
        kind, _, text = name.partition(":")
        if kind == "k" and isinstance(item, Mapping):
            if json.loads(text).items() <= item.items():
                found: Mapping[str, Any] = inner
                return found
        elif kind == "v" and json.loads(text) == item:
            return _NO_FIELDS
    return None


def _same_item(item: Mapping[str, Any], other: Mapping[str, Any], keys: set[str]) -> bool:
    return all(item.get(key) == other.get(key) for key in keys if key in other)
