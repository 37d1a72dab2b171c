"""P6, performance SLA: the measurement of what a layer costs runs, and leaves no layer out."""

import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from bookstore_api.settings import Settings
from tests.bench.http.load import Job
from tests.bench.http.report import Row, write
from tests.bench.http.rounds import interval
from tests.bench.http.servers import clients, request
from tests.support.bookstore import Served, app_of

ROOT = Path(__file__).parents[2]


def test_what_layers_cost_is_measured(sqlite_settings: Settings) -> None:
    command = [sys.executable, "-m", "tests.bench.layers", "--rounds", "1", "--requests", "2"]
    ended = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    every = {"cors_origins": ("*",), "rate_limit_reads": "1/hour"}
    for layer in app_of(sqlite_settings.model_copy(update=every)).user_middleware:
        assert f"+ {getattr(layer.cls, '__name__', '')} " in ended.stdout
    for line in ("the bare app", "the whole", "the staff token"):
        assert line in ended.stdout


def test_a_goal_that_is_missed_is_reported_as_missed(tmp_path: Path) -> None:
    def row(ratio: float | None, goal: float | None, *, at_most: bool = False) -> Row:
        return Row("a", "b", "CPU-µs", 1, 2, ratio, (0.5, 0.7), goal, at_most)

    rows = [row(0.69, 0.7), row(0.7, 0.7), row(1.2, 1.15, at_most=True), row(None, 0.7)]
    write(rows, {"rounds": 3, "remark": "a busy machine"}, tmp_path)
    written = json.loads((tmp_path / "api.json").read_text())
    assert [row["met"] for row in written["rows"]] == [False, True, False, None]
    page = (tmp_path / "api.md").read_text()
    assert page.count("| **no** |") == 2
    assert "0.69 (0.50 to 0.70) | ≥ 0.7" in page
    assert "not measured" in page
    assert (tmp_path / "api.svg").read_text().count("<rect ") == 3


def test_an_interval_holds_the_median_and_narrows() -> None:
    chance = random.Random(7)  # noqa: S311 - numbers to count with
    few, many = ([chance.gauss(1, 0.1) for _ in range(n)] for n in (10, 1000))
    (low, high), (lower, higher) = interval(few), interval(many)
    assert low <= statistics.median(few) <= high
    assert higher - lower < high - low


def test_clients_count_answers_and_fail_for_another_status(sqlite_server: Served) -> None:
    port = sqlite_server.client.base_url.port
    assert port is not None
    read = request("/api/v1/books?limit=1")
    with clients() as running:
        result = running.run(Job(port, [read], 40, 4, 200))
        assert result.p50 <= result.p95 <= result.p99
        with pytest.raises(RuntimeError, match=r"expected.*404"):
            running.run(Job(port, [read], 4, 1, 404))
