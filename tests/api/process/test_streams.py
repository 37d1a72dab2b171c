"""Commands whose standard streams are closed or can't be written."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.bookstore import command_line, environment, wait_until


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
