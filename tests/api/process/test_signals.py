"""A signal that comes while the code is still being loaded is not lost."""

import json
import signal
import subprocess
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
