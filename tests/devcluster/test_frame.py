"""What all of devcluster stands on: places, locks, progress, programs that are run and ended."""

import contextlib
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from devcluster import locking, paths, processes, progress, run
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.processes import Process

pytestmark = pytest.mark.devcluster


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What people see, as in a log file."""
    shown = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=shown, width=100))
    return shown


# Places


def test_places_follow_the_xdg_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.cache() == tmp_path / "cache" / "devcluster"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/to/be/ignored")
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert paths.cache() == Path("/home/somebody/.cache/devcluster")
    assert paths.state() == Path("/home/somebody/.local/state/devcluster")


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "../a", "a/b", "a" * 41])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(DevclusterError, match="can't be the name"):
        paths.cluster(name)


@pytest.mark.parametrize("name", ["a", "a-1", "a" * 40])
def test_a_good_name_is_taken(name: str) -> None:
    assert paths.cluster(name).name == name


# Locks


def test_a_lock_is_held_by_one_and_names_the_holder(printed: io.StringIO) -> None:
    with _holding("thing") as holder:
        with (
            pytest.raises(DevclusterError, match=f"process {holder.pid}"),
            locking.locked("thing", timeout=1.5),
        ):
            pass
        assert f"Waiting for thing, held by process {holder.pid}" in printed.getvalue()
        with locking.locked("another thing", timeout=0):
            pass


def test_the_lock_of_a_killed_process_is_free() -> None:
    with _holding("thing") as holder:
        holder.kill()
        with locking.locked("thing", timeout=10):
            pass


@contextlib.contextmanager
def _holding(resource: str) -> Iterator["subprocess.Popen[bytes]"]:
    code = (
        "import sys\nfrom devcluster.locking import locked\n"
        f"with locked({resource!r}):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield holder
        holder.kill()


# Progress


def test_a_step_in_a_log_is_a_line_at_each_end(printed: io.StringIO) -> None:
    with progress.step("Doing it", expected_seconds=90) as step:
        step.update("half\nway")
        assert step.detail == "half way"
    first, last = printed.getvalue().splitlines()
    assert first == "… Doing it (about 1 min 30 s)"
    assert re.fullmatch(r"✓ Doing it  \d\.\d s", last)


def test_a_long_step_in_a_log_says_now_and_then_that_it_goes_on(
    printed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_PLAIN_INTERVAL_SECONDS", 0.01)
    with progress.step("Doing it") as step:
        step.update("[12] of 30")
        _until(lambda: "[12] of 30" in printed.getvalue())


def test_a_step_that_fails_says_so(printed: io.StringIO) -> None:
    with pytest.raises(ZeroDivisionError), progress.step("Doing it"):
        raise ZeroDivisionError
    assert printed.getvalue().splitlines()[-1].startswith("✗ Doing it")


def test_steps_inside_each_other_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=shown, force_terminal=True, width=100))
    with progress.step("Outer") as outer, progress.step("Inner", 5) as inner:
        outer.update("waiting")
        inner.update("working")
        _until(lambda: "working" in shown.getvalue() and "Outer" in shown.getvalue())
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
    told = str(caught.value)
    assert "`sh` failed with exit code 3" in told
    assert "the reason" in told
    assert "line 50" in told
    assert "line 9\n" not in told, "no wall of logs"
    assert str(log) in told
    assert told.endswith("Do that.")
    assert log.read_text().startswith("line 1\n")


def test_lines_are_told_as_they_come_and_check_can_be_left_out() -> None:
    told: list[str] = []
    result = run.run(
        ["sh", "-c", "echo $GREETING; exit 4"],
        env={"GREETING": "hello"},
        on_line=told.append,
        check=False,
    )
    assert told == ["hello"]
    assert (result.returncode, result.output) == (4, "hello\n")


def test_a_program_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    with pytest.raises(CommandFailed, match=r"took more than 0\.5 s") as caught:
        run.run(["sh", "-c", f"sleep 600 & echo $! > {child}; wait"], timeout=0.5)
    assert caught.value.returncode is None
    _until(lambda: _is_gone(int(child.read_text())))


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


def test_a_number_given_to_another_process_is_not_ours() -> None:
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


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    deaf = processes.start("deaf", ["sh", "-c", script], cwd=tmp_path, log=log)
    _until(lambda: processes.tail(log) == "ready")
    began = time.monotonic()
    processes.end([deaf], seconds=0.3)
    assert time.monotonic() - began < 5
    assert not deaf.alive
    assert deaf.memory() == 0
    processes.end([deaf])  # again: nothing to do


def test_a_zombie_is_not_alive(tmp_path: Path) -> None:
    short = processes.start("short", ["true"], cwd=tmp_path, log=tmp_path / "log")
    _until(lambda: not short.alive)
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


def _until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
