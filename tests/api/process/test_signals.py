"""A signal that comes while the code is still being loaded is not lost."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bookstore import command_line, environment, wait_until
from tests.support.signals import catches


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("command", "code"),
    [(("serve",), 0), (("migrate", "--to=expand"), 1), (("smoke", "--url=http://127.0.0.1:9"), 1)],
)
def test_a_process_that_has_not_begun_ends(
    command: tuple[str, ...], code: int, number: signal.Signals, tmp_path: Path
) -> None:
    settings = environment(None, tmp_path, port=0, internal_port=0, drain_seconds=300)
    with subprocess.Popen(
        command_line(*command),
        env=settings,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: catches(process.pid, signal.SIGTERM), "its handlers")
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (code, "")
    if code:
        assert json.loads(output.splitlines()[-1])["message"].startswith("Interrupted")


STUBBORN = """
import importlib, signal, threading

command = importlib.import_module("bookstore_api.cli.command")

def work(settings):
    try:
        print("working", flush=True)
        signal.pause()
    finally:
        threading.Event().wait()

command.CLOSE_SECONDS = 0.2
command.run_command("migrate", work, enforced=())
"""


def test_a_command_that_does_not_end_after_a_signal_is_ended(tmp_path: Path) -> None:
    """As with a connection to a server that is frozen: its close waits for ever."""
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN],
        env=environment(None, tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    assert "did not end" in json.loads(output.splitlines()[-1])["message"]
