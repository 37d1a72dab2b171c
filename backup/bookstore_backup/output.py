"""Print results, errors and progress: results on standard output, all else on standard error."""

import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from bookstore_backup.model.termination import termination_message

EACH_SECONDS = 10.0
EACH_SECONDS_ON_A_TERMINAL = 0.2
TERMINATION_LOG = "BOOKSTORE_TERMINATION_LOG"


class Format(StrEnum):
    """The formats of `--output`."""

    TEXT = "text"
    JSON = "json"


def say(text: str) -> None:
    """Print a line of a result."""
    sys.stdout.write(f"{_encodable(text, sys.stdout)}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print an error or a warning."""
    sys.stderr.write(f"bookstore-backup: {_encodable(text, sys.stderr)}\n")
    sys.stderr.flush()


def print_json(data: Any) -> None:
    """Print a result as JSON."""
    say(json.dumps(data, indent=2))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in columns."""
    cells = [list(header), *([cell or "-" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        say("   ".join(padded).rstrip())


def write_termination(result: dict[str, Any]) -> None:
    """Write the result where Kubernetes shows it to the operator; no reader is no error."""
    path = os.environ.get(TERMINATION_LOG)
    if path is None:
        return
    with suppress(OSError):
        Path(path).write_text(termination_message(result), encoding="utf-8")


def size_text(size: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


class Progress:
    """Shows each step, and how many bytes it has moved: a line that changes on a terminal."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._each = EACH_SECONDS_ON_A_TERMINAL if self._terminal else EACH_SECONDS
        self._name = ""
        self._size = 0
        self._began = self._shown = time.monotonic()

    def step(self, name: str) -> None:
        """Begin a step."""
        self.end()
        self._name, self._size = name, 0
        self._began = self._shown = time.monotonic()
        self._write(f"{name} …" if self._terminal else name)

    def advance(self, size: int) -> None:
        """Count bytes of the step."""
        self._size += size
        now = time.monotonic()
        if now - self._shown >= self._each:
            self._shown = now
            speed = self._size / max(now - self._began, 0.001)
            self._write(f"{self._name}: {size_text(self._size)}, {size_text(speed)}/s")

    def end(self) -> None:
        """End the line on a terminal."""
        if self._terminal and self._name:
            sys.stderr.write("\n")

    def _write(self, text: str) -> None:
        text = _encodable(text, sys.stderr)
        sys.stderr.write(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")
        sys.stderr.flush()


def _encodable(text: str, stream: Any) -> str:
    """Return a text that the stream can encode."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
