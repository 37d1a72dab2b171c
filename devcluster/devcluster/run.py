"""Starting programs, and telling well how they failed."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from devcluster import paths
from devcluster.errors import CommandFailed
from devcluster.locking import inherited_locks

Argument = str | os.PathLike[str]

_TAIL_LINES = 15
_KILL_AFTER_SECONDS = 5.0


@dataclass(frozen=True)
class Result:
    """How a program ended. `output` is standard output and standard error, as they came."""

    argv: tuple[str, ...]
    returncode: int
    output: str


def run(  # noqa: PLR0913  # the ways in which programs differ
    argv: Sequence[Argument],
    *,
    log: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    check: bool = True,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Path | None = None,
    hint: str = "",
) -> Result:
    """Run a program to its end.

    Its output goes to the file `log` (appended), each line to `on_line`, and the last thousand
    lines into the result. `env` adds to this process's variables. `timeout` is in seconds. The
    program and what it started are ended when it takes too long or this process is interrupted.
    Raises CommandFailed if it can't be started, takes too long, or (with `check`) fails; `hint`
    then says what to do.
    """
    words = tuple(os.fspath(word) for word in argv)
    with contextlib.ExitStack() as stack:
        log_file = stack.enter_context(_appending(log)) if log else None
        process = stack.enter_context(_started(words, env=env, cwd=cwd, stdin=stdin, hint=hint))
        overdue = stack.enter_context(_deadline(process, timeout))
        lines: deque[str] = deque(maxlen=1000)
        assert process.stdout is not None  # noqa: S101  # for mypy: it is a pipe
        for line in process.stdout:
            lines.append(line)
            if log_file:
                log_file.write(line)
            if on_line:
                on_line(line.rstrip("\n"))
        returncode = process.wait()
    if overdue.is_set() or (check and returncode != 0):
        tail = "".join(list(lines)[-_TAIL_LINES:]).rstrip()
        raise CommandFailed(
            f"{_name(words)} {_ending(returncode, overdue.is_set(), timeout)}.",
            argv=words,
            returncode=None if overdue.is_set() else returncode,
            tail=tail,
            log=log,
            hint=hint,
        )
    return Result(words, returncode, "".join(lines))


def output(  # noqa: PLR0913  # the ways in which programs differ
    argv: Sequence[Argument],
    *,
    timeout: float = 60.0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    input: str | None = None,  # noqa: A002  # as in subprocess.run
    hint: str = "",
) -> str:
    """Run a short program and return its standard output, without the white space at its end.

    `timeout` is in seconds. Raises CommandFailed if it can't be started, fails or takes too long.
    """
    words = tuple(os.fspath(word) for word in argv)
    try:
        done = subprocess.run(
            words,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            check=False,
            pass_fds=inherited_locks(),
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(
            f"{_name(words)} took more than {timeout:g} s and was ended.", argv=words, hint=hint
        ) from None
    except OSError as error:
        raise _not_started(words, error, hint) from error
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).rstrip().splitlines()[-_TAIL_LINES:])
        raise CommandFailed(
            f"{_name(words)} {_ending(done.returncode, overdue=False, timeout=None)}.",
            argv=words,
            returncode=done.returncode,
            tail=tail,
            hint=hint,
        )
    return done.stdout.rstrip()


def run_ok(argv: Sequence[Argument], *, timeout: float = 30.0) -> bool:
    """Whether a short program can be run and ends well. Its output goes nowhere."""
    try:
        output(argv, timeout=timeout)
    except CommandFailed:
        return False
    return True


def which(program: str) -> Path | None:
    """Where a program is on PATH, or in the folders of system programs that users often lack."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    found = shutil.which(program, path=path)
    return Path(found) if found else None


def path_with(first: Iterable[Path]) -> str:
    """Return PATH with folders before all else, and each of them, and each other's, only once.

    So it does not grow when a shell evaluates it again.
    """
    ours = list(dict.fromkeys(map(str, first)))
    others = [
        each
        for each in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if each not in ours and not Path(each).is_relative_to(paths.clusters())
    ]
    return os.pathsep.join([*ours, *others])


@contextlib.contextmanager
def _appending(log: Path) -> Iterator[TextIO]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8", buffering=1) as file:
        yield file


@contextlib.contextmanager
def _started(
    words: tuple[str, ...],
    *,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    stdin: Path | None,
    hint: str,
) -> Iterator[subprocess.Popen[str]]:
    with contextlib.ExitStack() as stack:
        given = stack.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
        try:
            process = subprocess.Popen(
                words,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, **(env or {})},
                cwd=cwd,
                process_group=0,  # so that what it starts can be ended with it
                pass_fds=inherited_locks(),
            )
        except OSError as error:
            raise _not_started(words, error, hint) from error
        with process:
            try:
                yield process
            except BaseException:
                end_group(process)
                raise


@contextlib.contextmanager
def _deadline(process: subprocess.Popen[str], timeout: float | None) -> Iterator[threading.Event]:
    """End the process after `timeout` seconds; the event then is set."""
    overdue = threading.Event()

    def expire() -> None:
        overdue.set()
        end_group(process)

    timer = threading.Timer(timeout or 0, expire)
    timer.daemon = True
    if timeout is not None:
        timer.start()
    try:
        yield overdue
    finally:
        timer.cancel()


def end_group(process: subprocess.Popen[str]) -> None:
    """End a process that leads a group, and the group: politely first, then for good."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_KILL_AFTER_SECONDS)
            return


def _name(words: tuple[str, ...]) -> str:
    """Return the program with its first words, enough to recognise it."""
    first = [Path(words[0]).name]
    for word in words[1:4]:
        if word.startswith("-") or len(word) > 40:
            break
        first.append(word)
    return f"`{' '.join(first)}`"


def _ending(returncode: int, overdue: bool, timeout: float | None) -> str:
    if overdue:
        return f"took more than {timeout:g} s and was ended"
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"failed with exit code {returncode}"


def _not_started(words: tuple[str, ...], error: OSError, hint: str) -> CommandFailed:
    reason = (
        "is not installed" if isinstance(error, FileNotFoundError) else f"can't be run: {error}"
    )
    return CommandFailed(f"{Path(words[0]).name} {reason}.", argv=words, hint=hint)
