"""Compare the installed CRDs with the ones that this operator was made for.

Charts install CRDs once and do not upgrade them. A write with a field that the installed CRD lacks
is rejected or loses the field, so the operator must not act as if it had been recorded.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bookstore_operator.crd.bookstore import KIND as STORE_KIND
from bookstore_operator.crd.schema import crds
from bookstore_operator.crd.structural import Schema

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
    """Return which installed CRDs lack fields of this operator's; empty if none does.

    Args:
        installed: the schemas that the API server serves, by kind.

    """
    texts = []
    for kind, (name, own) in _own().items():
        missing = list(missing_fields(own, installed[kind])) if kind in installed else []
        if missing:
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            texts.append(f"CRD {name} lacks {', '.join(missing[:_NAMED])}{more}.")
    if not texts:
        return ""
    return (
        f"{' '.join(texts)} It is older than this operator, so writes are rejected or lose fields. "
        "Install the CRDs of this operator's version: kubectl apply --server-side -f crds/. Until "
        "then no release begins or takes a step."
    )


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
    """Return the part of a BookStore's status that the installed CRD declares."""
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
    return value
