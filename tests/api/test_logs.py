"""Log lines, without a server."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
import structlog

from bookstore_api.logs import configure_logging
from bookstore_api.settings import Settings


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes; the process's own logging is put back after."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(
        Settings.model_validate({"log_format": "json", "colour": "blue"}), stream=stream
    )
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def only_line(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue())
    return line


def test_other_libraries_log_in_the_same_form(stream: io.StringIO) -> None:
    logging.getLogger("alembic.runtime.migration").info("Running %s", "upgrade")
    line = only_line(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "Running upgrade",
        "level": "info",
        "logger": "alembic.runtime.migration",
        "colour": "blue",
    }


def test_a_traceback_shows_no_row(stream: io.StringIO) -> None:
    try:
        raise asyncpg.PostgresError.new(
            {"C": "23505", "M": "duplicate key", "D": "Key (a)=(canary)"}
        )
    except asyncpg.UniqueViolationError:
        structlog.stdlib.get_logger("test").exception("failed")
    assert "canary" not in stream.getvalue()
    assert "duplicate key" in only_line(stream)["exception"]
