"""Find who manages a field of an object, in its metadata.managedFields (server-side apply)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bookstore_operator.core.plan import FIELD_MANAGER, Manifest

POD_SPEC = ("spec", "template", "spec")
APPLIED = frozenset({"Deployment", "StatefulSet"})
"""The kinds with Pods that are applied. A Job is created: all of its fields are the creator's."""
A_WEBHOOK = "a webhook or policy"


def managers_of(manifest: Manifest, path: Sequence[str]) -> list[str]:
    """Return the field managers of a field, the newest first; empty if nobody manages it.

    Args:
        manifest: an object with its managed fields.
        path: the names on the way to the field; of a list's item, its `name` or its index.

    """
    entries = [
        entry
        for entry in manifest["metadata"].get("managedFields") or ()
        if _has(entry.get("fieldsV1") or {}, path)
    ]
    entries.sort(key=lambda entry: str(entry.get("time", "")), reverse=True)
    return list(dict.fromkeys(_name(entry) for entry in entries))


def added_to_pods(manifest: Manifest) -> dict[str, str]:
    """Return what others have added to the Pod template of an object: field → field manager.

    The API server writes down what a webhook adds to an apply as an Update of who applied.
    """
    entries = pod_spec_entries(manifest)
    ours = {path for entry in entries if _is_ours(entry) for path in _leaves(_pod_spec(entry))}
    return {
        ".".join((*POD_SPEC, *path)): A_WEBHOOK
        if entry.get("manager") == FIELD_MANAGER
        else _name(entry)
        for entry in entries
        if not _is_ours(entry)
        for path in _leaves(_pod_spec(entry))
        if path not in ours
    }


def pod_spec_entries(manifest: Manifest) -> list[Mapping[str, Any]]:
    """Return the managed fields of an object's Pod template; empty if they are ours alone."""
    if manifest.get("kind") not in APPLIED:
        return []
    entries = [e for e in manifest["metadata"].get("managedFields") or () if _pod_spec(e)]
    return entries if any(not _is_ours(entry) for entry in entries) else []


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"


def _pod_spec(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = entry.get("fieldsV1") or {}
    for name in POD_SPEC:
        fields = fields.get(f"f:{name}") or {}
    return fields


def _leaves(fields: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the fields in a set; that of a list's item if the item was added."""
    for key, deeper in fields.items():
        kind, _, name = key.partition(":")
        if kind == "k":
            name = next((str(value) for value in json.loads(name).values()), name)
        if key == ".":
            continue
        if (kind == "k" and "." in deeper) or not deeper.keys() - {"."}:
            yield (name,)
        else:
            yield from ((name, *path) for path in _leaves(deeper))


def _name(entry: Mapping[str, Any]) -> str:
    name, subresource = str(entry.get("manager") or "without a name"), entry.get("subresource")
    return f"{name}/{subresource}" if subresource else name


def _has(fields: Mapping[str, Any], path: Sequence[str]) -> bool:
    """Whether a set of fields has a path, or a field that contains it as a whole."""
    if not path:
        return True
    head, rest = path[0], path[1:]
    inside = [fields[key] for key in fields if _matches(key, head)]
    return any(not deeper.keys() - {"."} or _has(deeper, rest) for deeper in inside)


def _matches(key: str, name: str) -> bool:
    if key.startswith("k:"):  # an item of a list, by its key fields
        return f'"name":"{name}"' in key or name.isdecimal()
    return key == f"f:{name}"
