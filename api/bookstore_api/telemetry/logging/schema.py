"""What a log line may hold: the published schema, and a validator of fields compiled from it."""

import json
import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic_core import CoreSchema, SchemaValidator, core_schema

# What only the line itself says, never who writes one.
_OWN_FIELDS = frozenset({"time", "level", "event", "logger", "exception", "dropped"})


@cache
def schema_text() -> str:
    """Return the JSON Schema (draft 2020-12) of every line."""
    file = files("bookstore_api.telemetry.logging") / "log_schema.json"
    return file.read_text(encoding="utf-8")


def hold_back(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the schema allows, with the number of the others in `dropped`."""
    given = {name: value for name, value in fields.items() if value is not None}
    validator = make_validator(_OWN_FIELDS)
    if validator.isinstance_python(given):
        return given
    kept = {
        name: value for name, value in given.items() if validator.isinstance_python({name: value})
    }
    return {**kept, "dropped": len(given) - len(kept)}


@cache
def make_validator(excluded: frozenset[str] = frozenset()) -> SchemaValidator:
    """Return a validator of a dict of any fields of the schema but the excluded ones."""
    schema = json.loads(schema_text())
    fields = {
        name: core_schema.typed_dict_field(_compile(part, schema["$defs"]), required=False)
        for name, part in schema["properties"].items()
        if name not in excluded
    }
    return SchemaValidator(core_schema.typed_dict_schema(fields, extra_behavior="forbid"))


def _compile(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> CoreSchema:
    """Return one part of the schema, whose keywords are these few, in pydantic's terms."""
    if "$ref" in part:
        part = definitions[part["$ref"].removeprefix("#/$defs/")]
    if "enum" in part:
        return core_schema.literal_schema(part["enum"])
    pattern, shortest, longest = map(part.get, ("pattern", "minLength", "maxLength"))
    least, most = part.get("minimum"), part.get("maximum", sys.float_info.max)
    match part["type"]:
        case "string":
            return core_schema.str_schema(
                pattern=pattern, min_length=shortest, max_length=longest, strict=True
            )
        case "integer":
            return core_schema.int_schema(ge=least, le=int(most), strict=True)
        case "number":
            return core_schema.float_schema(ge=least, le=most, allow_inf_nan=False, strict=True)
        case "boolean":
            return core_schema.bool_schema(strict=True)
        case "array":
            return core_schema.list_schema(_compile(part["items"], definitions), strict=True)
        case kind:
            raise NotImplementedError(kind)
