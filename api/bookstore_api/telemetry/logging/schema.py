"""What a log line may hold: the published schema, and a check of fields made out of it once."""

import json
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema


@cache
def schema_text() -> str:
    """Return the JSON Schema (draft 2020-12) of every line."""
    file = files("bookstore_api.telemetry.logging") / "log_schema.json"
    return file.read_text(encoding="utf-8")


@cache
def make_check(without: frozenset[str] = frozenset()) -> Callable[[Mapping[str, Any]], set[str]]:
    """Return what names those of some fields that are wrong: the ones in `without` always are."""
    schema = json.loads(schema_text())
    fields = {
        name: core_schema.typed_dict_field(_compile(part, schema["$defs"]), required=False)
        for name, part in schema["properties"].items()
        if name not in without
    }
    validator = SchemaValidator(core_schema.typed_dict_schema(fields, extra_behavior="forbid"))

    def wrong_fields(given: Mapping[str, Any]) -> set[str]:
        try:
            validator.validate_python(given)
        except ValidationError as wrong:
            errors = wrong.errors(include_url=False, include_context=False, include_input=False)
            return {str(error["loc"][0]) for error in errors}
        return set()

    return wrong_fields


def _compile(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> CoreSchema:
    """Say one part of the schema, of which these few keywords are known, in pydantic's terms."""
    if (reference := part.get("$ref")) is not None:
        part = definitions[reference.removeprefix("#/$defs/")]
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
            msg = f"The schema of log lines has a type that nothing checks: {kind}."
            raise NotImplementedError(msg)
