"""Log lines against the published schema."""

import json
from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator

from bookstore_api.logs import schema_text

SCHEMA: dict[str, Any] = json.loads(schema_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def validated(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Parse lines; each must be one JSON object by the schema, with nothing held back."""
    parsed: list[dict[str, Any]] = []
    for line in lines:
        told: dict[str, Any] = json.loads(line)
        wrong = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(told)]
        assert not wrong, f"{line}\n{wrong}"
        parsed.append(told)
    return parsed


def access_lines(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those that tell of a request."""
    return [line for line in lines if line["logger"] == "bookstore_api.access"]
