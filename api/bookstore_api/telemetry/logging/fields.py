"""What a log line may hold: the published schema, and quick checks made out of it."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

Check = Callable[[Any], bool]


@cache
def schema_text() -> str:
    """Return the JSON Schema (draft 2020-12) of every line."""
    return (
        files("bookstore_api.telemetry.logging")
        .joinpath("log_schema.json")
        .read_text(encoding="utf-8")
    )


@cache
def load_checks() -> dict[str, Check]:
    """Return for each field there may be whether a value may be in it."""
    schema = json.loads(schema_text())
    return {name: _check(part, schema["$defs"]) for name, part in schema["properties"].items()}


def _check(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> Check:
    """Make the check of one part of the schema, of which these few keywords are known."""
    if (reference := part.get("$ref")) is not None:
        return _check(definitions[reference.removeprefix("#/$defs/")], definitions)
    if "enum" in part:
        words = frozenset(part["enum"])
        return lambda value: isinstance(value, str) and value in words
    match part["type"]:
        case "string":
            return _string(part)
        case "integer" | "number" as kind:
            return _number(part, (int,) if kind == "integer" else (int, float))
        case "boolean":
            return lambda value: isinstance(value, bool)
        case "array":
            item = _check(part["items"], definitions)
            return lambda value: isinstance(value, list | tuple) and all(map(item, value))
        case kind:
            msg = f"The schema of log lines has a type that nothing checks: {kind}."
            raise NotImplementedError(msg)


def _string(part: Mapping[str, Any]) -> Check:
    shortest, longest = part.get("minLength", 0), part.get("maxLength", sys.maxsize)
    # Python's `$` matches before a last line feed as well, JSON Schema's does not.
    search = re.compile(part.get("pattern", "").replace("$", r"\Z")).search

    def check(value: Any) -> bool:
        return (
            isinstance(value, str)
            and shortest <= len(value) <= longest
            and search(value) is not None
        )

    return check


def _number(part: Mapping[str, Any], kinds: tuple[type, ...]) -> Check:
    largest = sys.float_info.max
    least, most = part.get("minimum", -largest), part.get("maximum", largest)

    def check(value: Any) -> bool:
        # A bool is an int to Python; NaN and infinity, which are no JSON, are in no range.
        return isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most

    return check
