"""PostgreSQL's client tools as programs."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model import problems
from bookstore_backup.postgres.connection import Database

DEBIAN = Path("/usr/lib/postgresql")
LOCK_WAIT = "30s"
_MOST_ERRORS = 4000
_RESTORE = (
    *("--exit-on-error", "--single-transaction", "--no-owner", "--no-acl", "--no-password"),
    *("--no-publications", "--no-subscriptions"),
)


def find_tools(folders: Sequence[Path]) -> dict[int, str]:
    """Return the folder of the client tools of each major version; raises BackupError.

    Without folders, those of Debian's packages and of PATH count.
    """
    found: dict[int, str] = {}
    for folder in folders or _usual_folders():
        major = _major(folder / "pg_dump")
        if major is not None and (folder / "pg_restore").exists():
            found.setdefault(major, str(folder))
        elif folders:
            raise BackupError(
                Code.USAGE, f"{folder} has no pg_dump and pg_restore that run: correct --tools."
            )
    return found


def program_version(folder: str, program: str) -> str:
    """Return a program's version, such as `18.6`."""
    return _version(Path(folder) / program) or "unknown"


@contextmanager
def dumping(folder: str, database: Database, snapshot: str) -> Iterator[IO[bytes]]:
    """Run pg_dump on a snapshot; yield its output. Raises BackupError if it fails."""
    name, environment = database.program_arguments()
    command = [
        *(f"{folder}/pg_dump", "--format=custom", "--no-password"),
        *(f"--snapshot={snapshot}", f"--lock-wait-timeout={LOCK_WAIT}", f"--dbname={name}"),
    ]
    with _running(command, environment, stdout=subprocess.PIPE) as (process, errors):
        assert process.stdout is not None  # noqa: S101
        yield process.stdout
        process.stdout.close()
        if process.wait() != 0:
            raise problems.of_dump(f"Dumping {database.where}", errors())


def list_entries(folder: str, feed: Callable[[IO[bytes]], None]) -> str:
    """Return what `pg_restore --list` says of a dump that `feed` writes; raises BackupError.

    It reads no more than the dump's front, so the rest is not written.
    """
    with tempfile.TemporaryFile() as listing:
        command = [f"{folder}/pg_restore", "--list"]
        _feed(command, {**os.environ, "LC_ALL": "C"}, feed, "Listing the dump", stdout=listing)
        listing.seek(0)
        return listing.read().decode(errors="replace")


def read_whole(folder: str, feed: Callable[[IO[bytes]], None]) -> None:
    """Have pg_restore read a whole dump; raises BackupError where it can't."""
    command = [f"{folder}/pg_restore", "--file=/dev/null"]
    _feed(command, {**os.environ, "LC_ALL": "C"}, feed, "Reading the dump")


def restore_entries(
    folder: str, database: Database, entries: str, feed: Callable[[IO[bytes]], None]
) -> None:
    """Restore the listed entries of a dump that `feed` writes, all or nothing."""
    name, environment = database.program_arguments()
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="entries-") as file:
        file.write(entries)
        file.flush()
        command = [
            *(f"{folder}/pg_restore", *_RESTORE),
            *(f"--use-list={file.name}", f"--dbname={name}"),
        ]
        _feed(command, environment, feed, f"Restoring into {database.where}")


def _feed(
    command: list[str],
    environment: dict[str, str],
    feed: Callable[[IO[bytes]], None],
    doing: str,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
) -> None:
    """Run a pg_restore on what `feed` writes; it is killed if `feed` fails."""
    with _running(command, environment, stdin=subprocess.PIPE, stdout=stdout) as (process, errors):
        assert process.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):  # it has read enough, or has failed and says so
            feed(process.stdin)
        with suppress(BrokenPipeError):
            process.stdin.close()
        if process.wait() != 0:
            raise problems.of_restore(doing, errors())


@contextmanager
def _running(
    command: list[str],
    environment: dict[str, str],
    stdin: int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    """Run a program for the block; it is killed at the end if it still runs then."""
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command, env=environment, stdin=stdin, stdout=stdout, stderr=errors
            )
        except OSError as error:
            raise BackupError(Code.NO_TOOLS, f"{command[0]} can't be started: {error}.") from error

        def said() -> str:
            errors.seek(0)
            return errors.read(_MOST_ERRORS).decode(errors="replace") or (
                f"{Path(command[0]).name} ended with {process.returncode}"
            )

        try:
            yield process, said
        finally:
            process.kill()
            with suppress(BrokenPipeError):
                process.__exit__(None, None, None)


def _usual_folders() -> list[Path]:
    folders = sorted(DEBIAN.glob("*/bin")) if DEBIAN.is_dir() else []
    if (program := shutil.which("pg_dump")) is not None:
        folders.append(Path(program).parent)
    return folders


def _major(program: Path) -> int | None:
    version = _version(program)
    return int(version.partition(".")[0]) if version else None


def _version(program: Path) -> str | None:
    try:
        ran = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+(\.\d+)?)", ran.stdout)
    return match[1] if match else None
