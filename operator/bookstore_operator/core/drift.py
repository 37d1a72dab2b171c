"""Compare a desired object with the observed one."""

from collections.abc import Mapping, Sequence
from typing import Any

from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.quantities import amount

WHOLE = frozenset({"selector", "matchLabels"})
"""Maps whose meaning changes with an additional entry: they must be equal."""

AMOUNTS = frozenset({"requests", "limits", "emptyDir"})


def differs(desired: Manifest, observed: Manifest) -> str | None:
    """Return the path and the values of the first difference; None if there is none.

    The observed object may have additional fields: defaults, status, other managers' fields.
    """
    return _differs(desired, observed, ())


def _differs(desired: Any, observed: Any, path: tuple[str, ...]) -> str | None:
    if desired in (None, {}, []) and observed in (None, {}, []):
        return None
    if isinstance(desired, Mapping) and isinstance(observed, Mapping):
        return _maps_differ(desired, observed, path)
    if isinstance(desired, list) and isinstance(observed, list):
        return _lists_differ(desired, observed, path)
    if desired == observed and isinstance(desired, bool) == isinstance(observed, bool):
        return None
    if AMOUNTS & set(path) and _same_amount(desired, observed):
        return None
    return f"{'.'.join(path)} is {_shorten(observed)}, not {_shorten(desired)}"


def _maps_differ(
    desired: Mapping[str, Any], observed: Mapping[str, Any], path: tuple[str, ...]
) -> str | None:
    for key, value in desired.items():
        if why := _differs(value, observed.get(key), (*path, key)):
            return why
    if path and path[-1] in WHOLE and "matchLabels" not in desired:
        extra = sorted(observed.keys() - desired.keys())
        if extra:
            return f"{'.'.join(path)} also has {', '.join(extra)}"
    return None


def _lists_differ(
    desired: Sequence[Any], observed: Sequence[Any], path: tuple[str, ...]
) -> str | None:
    if desired and all(isinstance(item, Mapping) and "name" in item for item in desired):
        by_name = {item.get("name"): item for item in observed}
        pairs = [(item["name"], item, by_name.get(item["name"])) for item in desired]
    elif len(desired) != len(observed):
        return f"{'.'.join(path)} has {len(observed)} items, not {len(desired)}"
    else:
        together = zip(desired, observed, strict=True)
        pairs = [(str(index), *pair) for index, pair in enumerate(together)]
    for name, desired_item, observed_item in pairs:
        if why := _differs(desired_item, observed_item, (*path, name)):
            return why
    return None


def _same_amount(one: Any, other: Any) -> bool:
    amounts = (amount(one), amount(other))
    return None not in amounts and amounts[0] == amounts[1]


def _shorten(value: Any) -> str:
    text = "missing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
