"""The result of a command, as one JSON object for people, programs and Kubernetes."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

DEFAULT_LOG = "/dev/termination-log"
MAX_BYTES = 4096  # the kubelet cuts a termination message off there

EXIT_CODES = {
    "migrated": 0,
    "nothing-to-do": 0,
    "planned": 0,
    "current": 0,
    "ahead": 0,
    "passed": 0,
    "created": 0,
    "described": 0,
    "seeded": 0,
    "imported": 0,
    "exported": 0,
    "maintained": 0,
    "behind": 3,
    "incompatible": 4,
    "locked": 75,
}


@dataclass(frozen=True)
class CommandResult:
    """How a command ended: `code` is a word for programs, `message` a sentence for people."""

    command: str
    code: str
    message: str
    schema_before: tuple[str, ...] | None = None
    schema_after: tuple[str, ...] | None = None
    details: Mapping[str, object] | None = None
    """More members of the JSON object, which only this command has."""

    @property
    def exit_code(self) -> int:
        """The process's exit code; 1 for every failure without a number of its own."""
        return EXIT_CODES.get(self.code, 1)

    def to_json(self) -> str:
        """One line of at most 4 KB; a message too long is cut, then the lists are left out."""
        document: dict[str, object] = {
            "command": self.command,
            "code": self.code,
            "message": self.message,
        }
        schemas = {"schemaBefore": self.schema_before, "schemaAfter": self.schema_after}
        document |= {name: list(ids) for name, ids in schemas.items() if ids is not None}
        document |= self.details or {}
        text = json.dumps(document)
        if len(text) > MAX_BYTES:
            document["message"] = self.message[:300] + " …"
            text = json.dumps(document)
        if len(text) > MAX_BYTES:
            text = json.dumps({name: document[name] for name in ("command", "code", "message")})
        return text


def report(outcome: CommandResult) -> int:
    """Write the outcome to the termination log and as the last line of output; the exit code.

    What has been done is done, so an outcome that can't be written changes no exit code.
    """
    text = outcome.to_json()
    path = Path(os.environ.get("BOOKSTORE_TERMINATION_LOG") or DEFAULT_LOG)
    try:
        # Truncating what is there, never making the default: outside of a Pod it does not exist.
        if os.environ.get("BOOKSTORE_TERMINATION_LOG") or path.exists():
            _write(path, text)
    except OSError as error:
        _complain(
            f"BOOKSTORE_TERMINATION_LOG, {path}, can't be written: {error.strerror}. The outcome "
            "is on standard output only."
        )
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        give_up(sys.stdout)
        _complain(f"Standard output can't be written: {error.strerror}. The outcome is: {text}")
    return outcome.exit_code


def _write(path: Path, text: str) -> None:
    """Write a file whole, without waiting: a pipe that nobody reads is an error."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_NOCTTY
    file = os.open(path, flags, 0o666)
    try:
        left = text.encode()
        while left:
            left = left[os.write(file, left) :]
    finally:
        os.close(file)


def _complain(message: str) -> None:
    try:
        sys.stderr.write(f"bookstore-api: {message}\n")
        sys.stderr.flush()
    except OSError:
        give_up(sys.stderr)  # there is nobody left to tell


def give_up(stream: TextIO) -> None:
    """Send what a stream still holds, and all that comes, nowhere: else Python exits with 120."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
    stream.flush()
