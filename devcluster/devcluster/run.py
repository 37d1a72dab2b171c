"""Runs programs to their end, and says in full why one failed."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from devcluster import paths
from devcluster.errors import CommandFailed
from devcluster.locking import inherited_locks

Argument = str | os.PathLike[str]

_TAIL_LINES = 15
_KILL_AFTER_SECONDS = 5.0


def run(  # noqa: PLR0913  # the ways in which programs differ
    argv: Sequence[Argument],
    *,
    log: Path | None = None,
    on_line: Callable[[str], None] = lambda _: None,
    timeout: float = threading.TIMEOUT_MAX,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    hint: str = "",
) -> None:
    """Run a program to its end.

    Its output is appended to the file `log`, and each line goes to `on_line`. `env` adds to this
    process's variables. `timeout` is in seconds. The program and what it started are ended when it
    takes too long or this process is interrupted. Raises CommandFailed if it can't be started,
    takes too long or fails; `hint` then says what to do.
    """

    def read(process: "subprocess.Popen[str]") -> tuple[str, str]:
        lines: deque[str] = deque(maxlen=_TAIL_LINES)
        with contextlib.ExitStack() as stack:
            if log:
                log.parent.mkdir(parents=True, exist_ok=True)
                log_file = stack.enter_context(log.open("a", encoding="utf-8", buffering=1))
            for line in process.stdout or ():
                lines.append(line)
                if log:
                    log_file.write(line)
                on_line(line.rstrip("\n"))
        return "", "".join(lines).rstrip()

    failure = {"log": log, "hint": hint}
    _execute(argv, read, failure, timeout=timeout, env=env, cwd=cwd, stderr=subprocess.STDOUT)


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

    def communicate(process: "subprocess.Popen[str]") -> tuple[str, str]:
        stdout, stderr = process.communicate(input)
        return stdout.rstrip(), "\n".join((stderr or stdout).rstrip().splitlines()[-_TAIL_LINES:])

    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    failure = {"hint": hint}
    return _execute(argv, communicate, failure, timeout=timeout, env=env, cwd=cwd, stdin=stdin)


def run_ok(argv: Sequence[Argument], *, timeout: float = 30.0) -> bool:
    """Whether a short program can be run and ends well. Its output goes nowhere."""
    try:
        output(argv, timeout=timeout)
    except CommandFailed:
        return False
    return True


def which(program: str) -> Path | None:
    """Return where a program is: on PATH, or in the system folders that users often lack there."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    program_path = shutil.which(program, path=path)
    return Path(program_path) if program_path else None


def path_with(first: Iterable[Path]) -> str:
    """Return PATH with these folders first, and without the folders of other clusters.

    No folder is in it twice, so that PATH does not grow when a shell evaluates it again.
    """
    ours = list(dict.fromkeys(map(str, first)))
    others = [
        folder
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if folder not in ours and not Path(folder).is_relative_to(paths.clusters())
    ]
    return os.pathsep.join([*ours, *others])


def end_group(process: "subprocess.Popen[str]") -> None:
    """Terminate a process that leads a group, and the group; kill them if they do not end."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_KILL_AFTER_SECONDS)
            return


def _execute(
    argv: Sequence[Argument],
    read: Callable[["subprocess.Popen[str]"], tuple[str, str]],
    failure: dict[str, Any],
    *,
    timeout: float,
    **options: Any,
) -> str:
    """Run a program; `read` reads its output and returns the result and the end of the output.

    `failure` is for CommandFailed, `options` for Popen.
    """
    words = tuple(os.fspath(word) for word in argv)
    overdue = threading.Event()

    def expire(process: "subprocess.Popen[str]") -> None:
        overdue.set()
        end_group(process)

    with _started(words, failure, **options) as process:
        timer = threading.Timer(timeout, expire, [process])
        timer.daemon = True
        timer.start()
        try:
            result, tail = read(process)
            returncode = process.wait()
        finally:
            timer.cancel()
    if overdue.is_set():
        message = f"{_command(words)} took more than {timeout:g} s and was ended."
        raise CommandFailed(message, argv=words, tail=tail, **failure)
    if returncode != 0:
        message = f"{_command(words)} {_ending(returncode)}."
        raise CommandFailed(message, argv=words, returncode=returncode, tail=tail, **failure)
    return result


@contextlib.contextmanager
def _started(
    words: tuple[str, ...],
    failure: dict[str, Any],
    *,
    env: Mapping[str, str] | None,
    **options: Any,
) -> Iterator["subprocess.Popen[str]"]:
    """Start a program for the block, and end it with all that it started if the block fails."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    try:
        process = subprocess.Popen(
            words,
            **{**streams, **options},
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **(env or {})},
            process_group=0,  # so that what it starts can be ended with it
            pass_fds=inherited_locks(),
        )
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        reason = "is not installed" if is_missing else f"can't be run: {error}"
        raise CommandFailed(f"{Path(words[0]).name} {reason}.", argv=words, **failure) from error
    with process:
        try:
            yield process
        except BaseException:
            end_group(process)
            raise


def _command(words: tuple[str, ...]) -> str:
    """Return the program with its first words, enough to recognize it."""
    first = [Path(words[0]).name]
    for word in words[1:4]:
        if word.startswith("-") or len(word) > 40:
            break
        first.append(word)
    return f"`{' '.join(first)}`"


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"failed with exit code {returncode}"
