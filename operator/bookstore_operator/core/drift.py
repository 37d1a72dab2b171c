"""Compare a desired object with the observed one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.quantities import amount

WHOLE = frozenset({"selector", "matchLabels"})
"""Maps whose meaning changes with an additional entry: they must be equal."""

AMOUNTS = frozenset({"requests", "limits", "emptyDir"})

OMITTED_IF_FALSE = frozenset({"paused", "publishNotReadyAddresses"})
"""Fields that the API server does not return when they are false. It never returns empty texts."""

Path: TypeAlias = tuple[str, ...]


class Difference(NamedTuple):
    """A difference of two objects."""

    path: Path
    """The names on the way to the field; of a list's item, its `name` or its index."""
    text: str
    """The path and both values, as the end of a sentence."""


def differs(desired: Manifest, observed: Manifest) -> str | None:
    """Return the path and the values of the first difference; None if there is none.

    The observed object may have additional fields: defaults, status, other managers' fields.
    """
    difference = find_difference(desired, observed)
    return difference.text if difference else None


def find_difference(desired: Manifest, observed: Manifest) -> Difference | None:
    """Return the first difference, as `differs` finds it; None if there is none."""
    return next(differences(desired, observed), None)


def differences(desired: Manifest, observed: Manifest) -> Iterator[Difference]:
    """Yield each difference, as `differs` finds them."""
    return _differ(desired, observed, ())


def _differ(desired: Any, observed: Any, path: Path) -> Iterator[Difference]:
    if desired in (None, {}, []) and observed in (None, {}, []):
        return
    if isinstance(desired, Mapping) and isinstance(observed, Mapping):
        yield from _maps_differ(desired, observed, path)
    elif isinstance(desired, list) and isinstance(observed, list):
        yield from _lists_differ(desired, observed, path)
    elif not is_same(desired, observed, path):
        yield _difference(path, f"is {_shorten(observed)}, not {_shorten(desired)}")


def _difference(path: Path, what: str) -> Difference:
    return Difference(path, f"{'.'.join(path)} {what}")


def is_same(desired: Any, observed: Any, path: Path) -> bool:
    """Whether two values of a field mean the same: quantities, and what the API server omits."""
    if desired == observed and isinstance(desired, bool) == isinstance(observed, bool):
        return True
    omitted = desired == "" or (desired is False and path[-1] in OMITTED_IF_FALSE)
    if omitted and observed is None:
        return True
    return bool(AMOUNTS & set(path)) and _same_amount(desired, observed)


def _maps_differ(
    desired: Mapping[str, Any], observed: Mapping[str, Any], path: Path
) -> Iterator[Difference]:
    for key, value in desired.items():
        other = observed.get(key)
        if not (type(value) is str and value == other):  # most values are equal texts
            yield from _differ(value, other, (*path, key))
    if path and path[-1] in WHOLE and "matchLabels" not in desired:
        extra = sorted(observed.keys() - desired.keys())
        if extra:
            yield _difference(path, f"also has {', '.join(extra)}")


def _lists_differ(
    desired: Sequence[Any], observed: Sequence[Any], path: Path
) -> Iterator[Difference]:
    if desired and all(isinstance(item, Mapping) and "name" in item for item in desired):
        by_name = {item.get("name"): item for item in observed}
        pairs = [(item["name"], item, by_name.get(item["name"])) for item in desired]
    elif len(desired) != len(observed):
        yield _difference(path, f"has {len(observed)} items, not {len(desired)}")
        return
    else:
        together = zip(desired, observed, strict=True)
        pairs = [(str(index), *pair) for index, pair in enumerate(together)]
    for name, desired_item, observed_item in pairs:
        yield from _differ(desired_item, observed_item, (*path, name))


def _same_amount(one: Any, other: Any) -> bool:
    amounts = (amount(one), amount(other))
    return None not in amounts and amounts[0] == amounts[1]


def _shorten(value: Any) -> str:
    text = "missing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
