"""Find who manages a field of an object, in its metadata.managedFields (server-side apply)."""

from collections.abc import Mapping, Sequence
from typing import Any

from bookstore_operator.core.plan import Manifest


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


def _name(entry: Mapping[str, Any]) -> str:
    subresource = entry.get("subresource")
    return f"{entry['manager']}/{subresource}" if subresource else str(entry["manager"])


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
