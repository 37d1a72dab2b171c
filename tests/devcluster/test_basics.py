"""What all of devcluster is built on: paths, locks, progress, programs that are run and ended."""

import io
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from rich.console import Console

from devcluster import locking, paths, processes, progress, run
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.processes import Process
from tests.devcluster.support import python, until, waiting

pytestmark = [pytest.mark.devcluster, pytest.mark.usefixtures("own_cache")]

HOLD = """
from devcluster.locking import locked
with locked("thing"):
    print("held", flush=True)
    sys.stdin.read()
"""


# Paths


def test_paths_follow_the_xdg_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.cache() == tmp_path / "cache" / "devcluster"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/to/be/ignored")
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert paths.cache() == Path("/home/somebody/.cache/devcluster")
    assert paths.state() == Path("/home/somebody/.local/state/devcluster")


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "../a", "a/b", "a" * 41])
def test_a_bad_name_is_rejected(name: str) -> None:
    with pytest.raises(DevclusterError, match="can't be the name"):
        paths.cluster(name)


@pytest.mark.parametrize("name", ["a", "a-1", "a" * 40])
def test_a_good_name_is_accepted(name: str) -> None:
    assert paths.cluster(name).name == name


def test_path_does_not_grow_when_env_is_evaluated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    ours = paths.cluster("one") / "bin"
    once = run.path_with([ours])
    monkeypatch.setenv("PATH", once)
    assert once == f"{ours}:/usr/bin:/bin"
    assert run.path_with([ours]) == once
    other = paths.cluster("two") / "bin"
    assert run.path_with([other]) == f"{other}:/usr/bin:/bin", "that of another cluster goes"


# Locks


def test_a_lock_is_held_by_one_process_and_names_it(printed: io.StringIO) -> None:
    with waiting(HOLD) as (holder, line):
        assert line == "held"
        with (
            pytest.raises(DevclusterError, match=f"process {holder.pid}"),
            locking.locked("thing", timeout=1.5),
        ):
            pass
        assert f"Waiting for thing, held by process {holder.pid}" in printed.getvalue()
        with locking.locked("another thing", timeout=0):
            pass


def test_the_lock_of_a_killed_process_is_free() -> None:
    with waiting(HOLD) as (holder, line):
        assert line == "held"
        holder.kill()
        with locking.locked("thing", timeout=10):
            pass


@pytest.mark.usefixtures("printed")
def test_a_lock_lasts_as_long_as_what_a_killed_process_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "_REPORT_AFTER_SECONDS", 0.0)
    child = tmp_path / "child"
    script = f"echo $$ > {child}.new; mv {child}.new {child}; exec sleep 600"
    code = (
        "from devcluster import run\nfrom devcluster.locking import locked\n"
        f"with locked('thing'):\n    run.run(['sh', '-c', {script!r}])"
    )
    with subprocess.Popen(python(code)) as holder:
        until(child.exists)
        holder.kill()
    pid = int(child.read_text())
    with pytest.raises(DevclusterError, match="left running"), locking.locked("thing", timeout=0.3):
        pass
    os.kill(pid, signal.SIGKILL)
    with locking.locked("thing", timeout=10):
        pass


def test_a_released_lock_is_free_whatever_still_runs() -> None:
    with locking.locked("thing"):
        child = subprocess.Popen(["sleep", "600"], pass_fds=locking.inherited_locks())
    try:
        with locking.locked("thing", timeout=0):
            pass
    finally:
        child.kill()
        child.wait()


# Progress


def test_a_step_in_a_log_is_a_line_at_each_end(printed: io.StringIO) -> None:
    with progress.step("Doing it", expected_seconds=90) as step:
        step.update("half\nway")
        assert step.detail == "half way"
    first, last = printed.getvalue().splitlines()
    assert first == "… Doing it (about 1 min 30 s)"
    assert re.fullmatch(r"✓ Doing it  \d\.\d s", last)


def test_a_long_step_in_a_log_reports_at_intervals(
    printed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_PLAIN_INTERVAL_SECONDS", 0.01)
    with progress.step("Doing it") as step:
        step.update("[12] of 30")
        until(lambda: "[12] of 30" in printed.getvalue())


def test_a_step_that_fails_says_so(printed: io.StringIO) -> None:
    with pytest.raises(ZeroDivisionError), progress.step("Doing it"):
        raise ZeroDivisionError
    assert printed.getvalue().splitlines()[-1].startswith("✗ Doing it")


def test_nested_steps_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=shown, force_terminal=True, width=100))
    with progress.step("Outer") as outer, progress.step("Inner", 5) as inner:
        outer.update("waiting")
        inner.update("working")
        until(lambda: "working" in shown.getvalue() and "Outer" in shown.getvalue())
    assert shown.getvalue().index("✓ ") < shown.getvalue().rindex("Outer")
    assert "of about 5.0 s" in shown.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (303, "5 min 3 s"),
        (3600, "60 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, words: str) -> None:
    assert progress.duration(seconds) == words


# Programs


def test_a_program_that_fails_shows_its_last_lines_and_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "it.log"
    script = "for i in $(seq 50); do echo line $i; done; echo the reason >&2; exit 3"
    with pytest.raises(CommandFailed) as caught:
        run.run(["sh", "-c", script], log=log, hint="Do that.")
    message = str(caught.value)
    assert "`sh` failed with exit code 3" in message
    assert "the reason" in message
    assert "line 50" in message
    assert "line 9\n" not in message, "no wall of logs"
    assert str(log) in message
    assert message.endswith("Do that.")
    assert log.read_text().startswith("line 1\n")


def test_lines_are_reported_as_they_come_even_if_the_program_fails_later() -> None:
    lines: list[str] = []
    with pytest.raises(CommandFailed) as caught:
        run.run(
            ["sh", "-c", "echo $GREETING; exit 4"], env={"GREETING": "hello"}, on_line=lines.append
        )
    assert lines == ["hello"]
    assert (caught.value.returncode, caught.value.tail) == (4, "hello")


def test_a_program_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    for name, start in (("run", run.run), ("output", run.output)):
        child = tmp_path / name
        with pytest.raises(CommandFailed, match=r"took more than 0\.5 s") as caught:
            start(["sh", "-c", f"sleep 600 & echo $! > {child}; wait"], timeout=0.5)
        assert caught.value.returncode is None
        until(lambda child=child: _is_gone(int(child.read_text())))  # type: ignore[misc]


def test_a_missing_program_is_named() -> None:
    for start in (run.run, run.output):
        with pytest.raises(CommandFailed, match="no-such-program is not installed"):
            start(["no-such-program", "x"], hint="")
    assert not run.run_ok(["no-such-program"])
    assert run.run_ok(["true"])


def test_output_is_standard_output_only() -> None:
    assert run.output(["sh", "-c", "cat; echo aside >&2"], input="text\n\n") == "text"
    with pytest.raises(CommandFailed, match="exit code 7") as caught:
        run.output(["sh", "-c", "echo aside >&2; exit 7"])
    assert caught.value.tail == "aside"


# Processes that go on


def test_a_number_that_another_process_has_got_is_not_ours() -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        theirs = Process.of("other", other.pid)
        assert theirs.alive
        assert Process.from_json(theirs.to_json()) == theirs
        ours = Process(theirs.name, theirs.pid, theirs.began - 1, theirs.boot)
        of_another_boot = Process(theirs.name, theirs.pid, theirs.began, "x")
        assert not ours.alive
        assert not of_another_boot.alive
        processes.end([ours, of_another_boot])
        assert other.poll() is None, "the other process must be left alone"
        other.kill()


def test_a_process_that_ignores_signals_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    deaf = processes.start("deaf", ["sh", "-c", script], cwd=tmp_path, log=log)
    until(lambda: processes.tail(log) == "ready")
    began = time.monotonic()
    processes.end([deaf], seconds=0.3)
    assert time.monotonic() - began < 5
    assert not deaf.alive
    assert deaf.memory() == 0
    processes.end([deaf])  # again: nothing to do


def test_a_zombie_is_not_alive(tmp_path: Path) -> None:
    short = processes.start("short", ["true"], cwd=tmp_path, log=tmp_path / "log")
    until(lambda: not short.alive)
    processes.end([short])
    with pytest.raises(CommandFailed, match="can't be started"):
        processes.start("none", ["/no/such/program"], cwd=tmp_path, log=tmp_path / "log")


def test_who_starts_a_program_also_waits_for_it() -> None:
    """A child that is dropped while it runs is a warning at whatever moment it is collected."""
    package = Path(processes.__file__).parent
    starting = {file.name for file in package.rglob("*.py") if "Popen(" in file.read_text()}
    assert starting == {"run.py", "processes.py"}


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
