"""Compare the installed CRDs with the ones that this operator was made for.

Charts install CRDs once and do not upgrade them. A write with a field that the installed CRD lacks
is rejected or loses the field, so the operator must not act as if it had been recorded. The same
holds for a value that the installed CRD does not allow: a newer word, a longer text.
"""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bookstore_operator.crd.bookstore import KIND as STORE_KIND
from bookstore_operator.crd.schema import crds
from bookstore_operator.crd.structural import Schema
from bookstore_operator.crd.text import fit

_NAMED = 3


@cache
def _own() -> Mapping[str, tuple[str, Schema]]:
    """Return the name and the schema of each CRD, by kind."""
    return {
        crd["spec"]["names"]["kind"]: (
            crd["metadata"]["name"],
            crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
        )
        for crd in crds()
    }


def outdated_message(installed: Mapping[str, Schema]) -> str:
    """Return which installed CRDs can't hold what this operator writes; empty if all can.

    Args:
        installed: the schemas that the API server serves, by kind.

    """
    texts = []
    for kind, (name, own) in _own().items():
        if kind not in installed:
            continue
        if missing := list(missing_fields(own, installed[kind])):
            texts.append(f"CRD {name} lacks {_listed(missing)}.")
        if rejected := list(_narrower_writes(kind, own, installed[kind])):
            texts.append(f"CRD {name} allows less than this operator writes: {_listed(rejected)}.")
    if not texts:
        return ""
    return (
        f"{' '.join(texts)} It is of another version than this operator, so writes are rejected or "
        "lose fields. Install the CRDs of this operator's version: kubectl apply --server-side -f "
        "crds/. Until then no release begins or takes a step."
    )


def narrower_spec(installed: Mapping[str, Schema]) -> str:
    """Return what the installed CRD rejects in a BookStore's spec that this operator takes.

    No write of the operator's fails for it: users get the API server's error.
    """
    own, theirs = _own()[STORE_KIND][1], installed.get(STORE_KIND) or {}
    parts = [(schema.get("properties") or {}).get("spec") for schema in (own, theirs)]
    found = list(narrower(parts[0], parts[1], "spec")) if parts[0] and parts[1] else []
    return f"The installed CRD of BookStores is narrower: {_listed(found)}." if found else ""


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return f"{', '.join(texts[:_NAMED])}{more}"


def _narrower_writes(kind: str, own: Schema, installed: Schema) -> Iterator[str]:
    """Yield what the installed schema rejects in the parts that the operator writes."""
    for part in ("status",) if kind == STORE_KIND else ("spec", "status"):
        mine, theirs = ((schema.get("properties") or {}).get(part) for schema in (own, installed))
        if mine and theirs:
            yield from narrower(mine, theirs, part)


_UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "minLength", "minItems", "minProperties")


def narrower(own: Schema, installed: Schema, path: str) -> Iterator[str]:
    """Yield, with their paths, the restrictions of a schema that this operator's does not have."""
    yield from (f"{path} {text}" for text in _restrictions(own, installed))
    theirs = installed.get("properties") or {}
    for name, field in (own.get("properties") or {}).items():
        if name in theirs:
            yield from narrower(field, theirs[name], f"{path}.{name}")
    for key, suffix in (("items", "[]"), ("additionalProperties", ".*")):
        mine, other = own.get(key), installed.get(key)
        if isinstance(mine, dict) and isinstance(other, dict):
            yield from narrower(mine, other, f"{path}{suffix}")


def _restrictions(own: Schema, installed: Schema) -> Iterator[str]:
    """Yield the restrictions of one node of a schema that this operator's does not have."""
    yield from _other_values(own, installed)
    yield from _other_bounds(own, installed)
    if needed := sorted({*installed.get("required", ())} - {*own.get("required", ())}):
        yield f"requires {', '.join(needed)}"
    rules = [rule["rule"] for rule in own.get("x-kubernetes-validations") or ()]
    for rule in installed.get("x-kubernetes-validations") or ():
        if rule.get("rule") not in rules:
            yield f"has the rule {rule.get('rule')}"


def _other_values(own: Schema, installed: Schema) -> Iterator[str]:
    if installed.get("type") and own.get("type") not in {None, installed["type"]}:
        yield f"is of type {installed['type']}, not {own['type']}"
    allowed = installed.get("enum")
    left = [value for value in own.get("enum") or () if allowed and value not in allowed]
    if left:
        yield f"can't be {', '.join(map(str, left))}"
    elif allowed and not own.get("enum"):
        yield f"can only be {', '.join(map(str, allowed))}"
    if installed.get("pattern") not in {None, own.get("pattern")}:
        yield f"must match {installed['pattern']}"


def _other_bounds(own: Schema, installed: Schema) -> Iterator[str]:
    upper = [key for key in _UPPER if own.get(key, math.inf) > installed.get(key, math.inf)]
    lower = [key for key in _LOWER if own.get(key, -math.inf) < installed.get(key, -math.inf)]
    for key in (*upper, *lower):
        yield f"has {key} {installed[key]}, not {own.get(key, 'none')}"


def missing_fields(own: Schema, installed: Schema, path: str = "") -> Iterator[str]:
    """Yield the fields of a schema that the installed one does not have."""
    theirs = installed.get("properties") or {}
    for name, field in (own.get("properties") or {}).items():
        here = f"{path}.{name}" if path else name
        if not path and name not in {"spec", "status"}:
            continue
        if name not in theirs:
            yield here
        else:
            yield from missing_fields(field, theirs[name], here)
    if "items" in own:
        yield from missing_fields(own["items"], installed.get("items") or {}, f"{path}[]")


def declared(status: Mapping[str, Any], installed: Mapping[str, Schema]) -> Mapping[str, Any]:
    """Return the part of a BookStore's status that the installed CRD declares and allows.

    Texts are cut to what it allows: the report that it is outdated must get through.
    """
    schema = installed.get(STORE_KIND)
    if schema is None:
        return status
    pruned: Mapping[str, Any] = _declared(status, (schema.get("properties") or {}).get("status"))
    return pruned


def _declared(value: Any, schema: Schema | None) -> Any:
    if schema is None:
        return value
    if isinstance(value, Mapping) and "properties" in schema:
        fields = schema["properties"]
        return {
            name: _declared(item, fields[name]) for name, item in value.items() if name in fields
        }
    if isinstance(value, list | tuple) and isinstance(schema.get("items"), dict):
        return [_declared(item, schema["items"]) for item in value]
    if isinstance(value, str) and "maxLength" in schema:
        return fit(value, schema["maxLength"])
    return value
