"""Generate the field reference: `python -m bookstore_operator.crd.reference --output FILE`."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bookstore_operator.crd.intent import EFFECTS, Effect
from bookstore_operator.crd.schema import crds
from bookstore_operator.crd.structural import Schema

INTRODUCTION = """\
# Fields

<!-- Generated from operator/bookstore_operator/crd by `make generate`: do not edit. -->

All fields of the four kinds, as the API server knows them; `kubectl explain bookstore.spec` shows
the same. A field in **bold** is required within its group. What a change of a field does:

| change | what it does |
| --- | --- |
| release | starts a release: a new color, migrated and verified before users are sent to it |
| in place | changes objects in place, without a release |
| — | changes only what the operator does from now on |
"""

CHANGES: Mapping[Effect, str] = {
    Effect.RELEASE: "release",
    Effect.IN_PLACE: "in place",
    Effect.NEITHER: "—",
}
LONGEST_PATTERN = 40
"""The longest pattern, in characters, that fits into a table."""


def reference() -> str:
    """Return the reference of all kinds' fields, in Markdown."""
    return "\n".join([INTRODUCTION, *(line for crd in crds() for line in _kind(crd))])


def _kind(crd: Schema) -> Iterator[str]:
    kind, version = crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    yield from (f"## {kind}", "", _sentence(schema["description"]), "")
    yield from _rules([schema])
    shown: dict[str, str] = {}
    for part, field in schema["properties"].items():
        if "properties" in field:
            with_changes = kind == "BookStore" and part == "spec"
            yield from _group(part, field, shown, f"{kind}.{part}", changes=with_changes)
    yield from (f"### Columns of `kubectl get {crd['spec']['names']['plural']}`", "")
    columns = version["additionalPrinterColumns"]
    wide = {column["name"]: " (`-o wide`)" for column in columns if column.get("priority")}
    rows = [(c["name"] + wide.get(c["name"], ""), _sentence(c["description"])) for c in columns]
    yield from _table(("column", "what it shows"), rows)


def _group(
    path: str, group: Schema, shown: dict[str, str], title: str, *, changes: bool
) -> Iterator[str]:
    """Yield a group's own fields as a table, its rules, then the groups in it.

    Args:
        path: the group's path in its object, such as `spec.backup`.
        group: its schema.
        shown: the paths of the groups so far, by their fields: fields are not repeated.
        title: its heading.
        changes: whether to say what a change of each field does.

    """
    yield from (f"### `{title}`", "")
    if description := _sentence(group.get("description", "")):
        yield from (description, "")
    same = shown.setdefault(json.dumps(group["properties"], sort_keys=True), path)
    if same != path:
        yield from (f"Its fields are those of `{same}`.", "")
        return
    required = group.get("required", ())
    fields: Mapping[str, Schema] = group["properties"]
    rows = [_row(path, name, field, name in required, changes) for name, field in fields.items()]
    change = ("change",) if changes else ()
    yield from _table(("field", "type", "default", *change, "description"), rows)
    yield from _rules([group, *(field for field in fields.values() if not _fields_of(field))])
    for name, field in fields.items():
        if inner := _fields_of(field):
            described = {**inner, "description": field["description"]}
            at = f"{path}.{name}"
            yield from _group(at, described, shown, at, changes=changes)


def _row(path: str, name: str, field: Schema, required: bool, changes: bool) -> tuple[str, ...]:
    at = f"{path}.{name}"
    change = (_change(at.removeprefix("spec.")),) if changes else ()
    description = _sentence(field.get("description", ""))
    if _fields_of(field):
        description = f"{description} Fields: `{at}`."
    return (
        f"**`{name}`**" if required else f"`{name}`",
        _type(field),
        _default(field),
        *change,
        description,
    )


def _fields_of(field: Schema) -> Schema | None:
    """Return the schema with a field's own fields: the field's, or that of its items.

    None also for an intent, whose fields are those of a BookStore and are not described again.
    """
    for schema in (field, field.get("items", {})):
        if any("description" in inner for inner in schema.get("properties", {}).values()):
            return dict(schema)
    return None


def _change(path: str) -> str:
    """Return what a change of a field does: by its own entry, or by that of its nearest group."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        if effect := EFFECTS.get(".".join(parts[:length])):
            return CHANGES[effect]
    return ""


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "quantity" if "pattern" in field else "integer or string"
    if values := field.get("enum"):
        return " \\| ".join(f"`{value}`" for value in values)
    kind = field.get("type", "any")
    if kind == "array":
        return f"list{_bounds(field, 'Items', ' items')}, each: {_type(field['items'])}"
    if kind == "object":
        return "map of strings" if "additionalProperties" in field else "object"
    if kind == "string":
        kind = {"date-time": "time"}.get(field.get("format", ""), kind)
        return f"{kind}{_bounds(field, 'Length', ' characters')}{_pattern(field)}"
    return f"{kind}{_bounds(field, 'imum', '')}"


def _bounds(field: Schema, suffix: str, unit: str) -> str:
    least, most = field.get(f"min{suffix}"), field.get(f"max{suffix}")
    if least is None and most is None:
        return ""
    if most is None:
        return f", at least {least}{unit}"
    return f", at most {most}{unit}" if not least else f", {least} to {most}{unit}"


def _pattern(field: Schema) -> str:
    pattern = field.get("pattern", "")
    shown = pattern and len(pattern) <= LONGEST_PATTERN
    return f", matching `{pattern}`".replace("|", "\\|") if shown else ""


def _default(field: Schema) -> str:
    if field.get("default") in (None, "", {}):
        return ""
    return f"`{json.dumps(field['default'])}`".replace('"', "")


def _rules(schemas: Iterable[Schema]) -> Iterator[str]:
    """Yield what the API server rejects, in its own words."""
    rules = [rule for schema in schemas for rule in schema.get("x-kubernetes-validations", ())]
    if messages := dict.fromkeys(_sentence(rule["message"]) for rule in rules):
        yield from ("The API server rejects what breaks these rules:", "")
        yield from (f"- {message[0].upper()}{message[1:]}" for message in messages)
        yield ""


def _sentence(text: str) -> str:
    plain = " ".join(text.split()).replace("|", "\\|")
    return plain if not plain or plain.endswith(".") else f"{plain}."


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (heads, ("---",) * len(heads), *rows):
        yield f"| {' | '.join(row)} |".replace("|  |", "| |")
    yield ""


def main(arguments: list[str] | None = None) -> int:
    """Write the reference and return the exit code."""
    parser = argparse.ArgumentParser(description="Write the reference of all fields as Markdown.")
    parser.add_argument("--output", type=Path, required=True, help="the file to write")
    output: Path = parser.parse_args(arguments).output
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(reference().rstrip() + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
