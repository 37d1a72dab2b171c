"""Log lines: of this process for a while, and any against the published schema."""

import io
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from jsonschema import Draft202012Validator

from bookstore_api.settings import Settings
from bookstore_api.telemetry.logging import configure_logging, lines, schema_text

SCHEMA: dict[str, Any] = json.loads(schema_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


@contextmanager
def logging_to(**settings: object) -> Iterator[io.StringIO]:
    """Log to a stream in the block, with settings; the process's own logging is restored after."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, lines.Logger.output
    stream = io.StringIO()
    wanted = {"log_format": "json", "color": "blue", **settings}
    configure_logging(Settings.model_validate(wanted), stream=stream)
    try:
        yield stream
    finally:
        root.handlers[:], root.level, lines.Logger.output = before


def validated(texts: Iterable[str], *, held_back: bool = False) -> list[dict[str, Any]]:
    """Parse lines; each must be one JSON object by the schema, with nothing held back.

    `held_back` says that the test expects that some fields are.
    """
    parsed: list[dict[str, Any]] = []
    for text in texts:
        line: dict[str, Any] = json.loads(text)
        wrong = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(line)]
        assert not wrong, f"{text}\n{wrong}"
        assert held_back or "dropped" not in line, text
        parsed.append(line)
    return parsed


def access_lines(parsed: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those about a request."""
    return [line for line in parsed if line["logger"] == "bookstore_api.access"]
