"""Commands whose standard streams are closed or can't be written."""

import json
import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from bookstore_api.telemetry.logging.sink import Sink
from tests.support.bookstore import command_line, environment, wait_for, wait_until


def shell(redirections: str, *arguments: str) -> list[str]:
    """A command as a shell starts it with redirections."""
    return ["sh", "-c", f'exec "$@" {redirections}', "sh", *command_line(*arguments)]


def is_serving(pid: int) -> bool:
    """Whether a process has both sockets, among others."""
    links = [link_of(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(link.startswith("socket:") for link in links) >= 4  # two are the event loop's


def link_of(path: Path) -> str:
    """What an open file of a process is; empty where it is closed by now."""
    try:
        return str(path.readlink())
    except OSError:
        return ""


@pytest.mark.parametrize("redirections", [">&-", "<&- >&- 2>&-", ">/dev/full"])
def test_a_server_needs_no_standard_streams(redirections: str, tmp_path: Path) -> None:
    env = environment(None, tmp_path, port=0, internal_port=0, drain_seconds=0)
    with (tmp_path / "errors").open("wb") as errors:
        process = subprocess.Popen(
            shell(redirections, "serve"), env=env, cwd=tmp_path, stderr=errors
        )
    try:
        wait_until(lambda: process.poll() is not None or is_serving(process.pid), "the server")
        assert process.poll() is None, (tmp_path / "errors").read_text()
        opened = [link_of(Path(f"/proc/{process.pid}/fd/{number}")) for number in range(3)]
        assert opened.count("/dev/null") >= redirections.count("&-")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert (tmp_path / "errors").read_text() == ""


@pytest.mark.parametrize("redirections", [">&-", ">/dev/full"])
def test_a_command_tells_that_nobody_reads_it_without_a_traceback(
    redirections: str, tmp_path: Path
) -> None:
    env = environment(None, tmp_path)
    done = subprocess.run(
        shell(redirections, "config"),
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    full = "full" in redirections
    assert (done.returncode, "No space left on device" in done.stderr) == (int(full), full)


def test_a_log_that_nobody_reads_stops_nobody(tmp_path: Path) -> None:
    """Not requests, not probes, not the end. What was lost is counted once somebody reads."""
    env = environment(None, tmp_path, port=0, internal_port=0, drain_seconds=0, shutdown_seconds=1)
    reading, writing = os.pipe()
    process = subprocess.Popen(command_line("serve"), env=env, cwd=tmp_path, stdout=writing)
    os.close(writing)
    try:
        with os.fdopen(reading, encoding="utf-8") as log:
            line = wait_for(
                lambda: next((line for line in log if '"serving"' in line), None), "the server"
            )
            served = json.loads(line)
            with httpx.Client(base_url=served["url"], timeout=20) as client:
                for _ in range(600):  # a pipe holds 64 KiB
                    assert client.get("/nothing").status_code == 404
            assert httpx.get(f"{served['internal_url']}/livez", timeout=20).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            rest = log.read().splitlines()
        assert 100 < len(rest) < 600
        for text in rest[:-1]:  # all but the last are whole
            json.loads(text)
    finally:
        process.kill()
        process.wait()


def test_lost_lines_are_counted() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        sink = Sink(stream)
        written = 0
        while not sink._lost:
            sink.write("x" * 999 + "\n")
            written += 1
        assert sink.take_lost() == 0  # nobody reads yet
        kept = os.read(reading, 70_000)
        sink.write("y\n")
        assert sink.take_lost() == 1
        kept += os.read(reading, 70_000)
    os.close(reading)
    lines = kept.decode().splitlines()
    assert lines == ["x" * 999] * (written - 1) + ["y"]


@pytest.mark.parametrize("redirections", [">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full"])
def test_what_was_done_is_no_failure_for_want_of_a_reader(
    redirections: str, tmp_path: Path
) -> None:
    log = tmp_path / "termination"
    database = f"sqlite:///{tmp_path}/books.db"
    env = environment(database, tmp_path) | {"BOOKSTORE_TERMINATION_LOG": str(log)}
    command = shell(redirections, "migrate", "--to", "expand")
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0
    assert json.loads(log.read_text(encoding="utf-8"))["code"] == "migrated"
    assert b"Traceback" not in done.stderr


def test_a_termination_log_of_any_kind_keeps_nobody(tmp_path: Path) -> None:
    """A pipe without a reader, a folder, a full device, a link to itself, a long name."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "loop", ".", "/dev/full", "/dev/null", "nowhere/log", "x" * 300, ""):
        env = environment(None, tmp_path) | {"BOOKSTORE_TERMINATION_LOG": name}
        done = subprocess.run(
            command_line("contract"),
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, name
        assert json.loads(done.stdout)["code"] == "described"
        told = "BOOKSTORE_TERMINATION_LOG" in done.stderr
        assert told == (name not in {"/dev/null", ""}), (name, done.stderr)
