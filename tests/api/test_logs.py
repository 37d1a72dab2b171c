"""Log lines, without a server."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
import structlog

from bookstore_api.logs import configure_logging
from bookstore_api.settings import Settings


@pytest.fixture
def log_to() -> Iterator[Callable[[str], io.StringIO]]:
    """Log to a stream in a format; the process's own logging is put back after."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, structlog.get_config()

    def configure(log_format: str) -> io.StringIO:
        stream = io.StringIO()
        settings = Settings.model_validate({"log_format": log_format, "colour": "blue"})
        configure_logging(settings, stream=stream)
        return stream

    yield configure
    structlog.configure(**before[2])
    root.handlers[:], root.level = before[:2]


def test_other_libraries_log_in_the_same_form(log_to: Callable[[str], io.StringIO]) -> None:
    stream = log_to("json")
    logging.getLogger("alembic.runtime.migration").info("Running %s", "upgrade")
    line: dict[str, Any] = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "Running upgrade",
        "level": "info",
        "logger": "alembic.runtime.migration",
        "colour": "blue",
    }


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_values(log_to: Callable[[str], io.StringIO], log_format: str) -> None:
    stream = log_to(log_format)
    fields = {"C": "23505", "M": "duplicate key", "D": "Key (a)=(canary)"}
    try:
        raise asyncpg.PostgresError.new(fields)
    except asyncpg.UniqueViolationError:
        structlog.stdlib.get_logger("test").exception("failed")
    assert "Traceback" in stream.getvalue()
    assert "duplicate key" in stream.getvalue()
    assert "canary" not in stream.getvalue()
