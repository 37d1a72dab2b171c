"""A real Prometheus with given data, for as long as a block runs."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.kube import wait_for
from tests.support.ports import free_port
from tests.support.promtool import promtool, require

STEP, STEPS = 60, 120
"""The seconds between samples, and how many there are of each series."""


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str
    at: int
    """The time of the last samples."""

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the result of a query. Raises HTTPStatusError if the engine rejects it."""
        parameters: dict[str, str | int] = {"query": query, "time": self.at}
        answer = httpx.get(f"{self.url}/api/v1/query", params=parameters, timeout=20)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found


@contextmanager
def prometheus(folder: Path, series: Mapping[str, float]) -> Iterator[Prometheus]:
    """Run Prometheus with two hours of data: series that grow by so much a step."""
    at = int(time.time()) // STEP * STEP
    lines = [
        f"{name} {growth * step} {at - (STEPS - step) * STEP}"
        for name, growth in sorted(series.items())
        for step in range(1, STEPS + 1)
    ]
    (folder / "data.om").write_text("\n".join([*lines, "# EOF", ""]))
    made = promtool("tsdb", "create-blocks-from", "openmetrics", "data.om", "tsdb", folder=folder)
    assert made.returncode == 0, made.stderr
    (folder / "prometheus.yaml").write_text("{}\n")
    port = free_port()
    command = (
        require() / "prometheus",
        "--config.file=prometheus.yaml",
        "--storage.tsdb.path=tsdb",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _is_ready(f"{url}/-/ready"), 30, "Prometheus to be ready")
        yield Prometheus(url, at)
    finally:
        process.terminate()
        process.wait(20)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
