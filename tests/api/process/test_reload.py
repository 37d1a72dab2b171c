"""Serving a copy of the code that changes, as skaffold's dev loop does."""

import json
import signal
from pathlib import Path

import httpx

from tests.support.bookstore import Process, StartProcess, wait_until


def test_a_change_is_served_and_a_mistake_can_be_mended(
    start: StartProcess, tmp_path: Path
) -> None:
    process = start(None, reload=tmp_path / "code").wait_until_ready()
    changed = tmp_path / "code" / "bookstore_api" / "__init__.py"
    original = changed.read_text()

    changed.write_text(original + '__version__ = "9.9.9"\n')
    wait_until(lambda: served_version(process) == "9.9.9", "the change to be served")

    changed.write_text("a mistake\n")
    wait_until(lambda: served_version(process) is None, "the server to end by the mistake")

    changed.write_text(original + '__version__ = "9.9.10"\n')
    wait_until(lambda: served_version(process) == "9.9.10", "the fixed code to be served")

    process.signal(signal.SIGTERM)
    process.wait()
    assert served_version(process) is None


def served_version(process: Process) -> str | None:
    """Ask the server that started last, which has new ports each time, for its version."""
    # A traceback is no JSON.
    lines = [json.loads(line) for line in process.raw_lines() if line.startswith("{")]
    serving = [line for line in lines if line["event"] == "serving"]
    try:
        version: str = httpx.get(serving[-1]["internal_url"] + "/version").json()["version"]
    except httpx.TransportError:
        return None
    return version
