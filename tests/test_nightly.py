"""P2, CI/CD reliability: what takes too long for CI runs at night, and leaves a result."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import nightly
from tests.support.nightly import Command, Part, Result

pytestmark = pytest.mark.golden

PYTEST_OUTPUT = """\
[gw0] [ 50%] PASSED tests/test_it.py::test_well
FAILED tests/test_it.py::test_broken[0.5 s] - AssertionError: 1 of 20 requests was lost
ERROR tests/test_it.py::test_without_server - RuntimeError: PostgreSQL does not start
====== 1 failed, 91 passed, 2 deselected, 1 error in 1405.30s (0:23:25) ======
"""
FUZZ_OUTPUT = """\
fuzz: sqlite: 14,210 of 30,000 cases, 121 s
fuzz: sqlite: 30,004 of 30,000 cases, 240 s
fuzz: postgresql: 30,100 of 30,000 cases, 310 s
"""


def says(text: str, exit_code: int = 0) -> Command:
    """Return a command that prints a text and ends."""
    return Command((sys.executable, "-c", f"print({text!r}); raise SystemExit({exit_code})"))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of results in place of the repository's."""
    monkeypatch.setattr(nightly, "ROOT", tmp_path)
    monkeypatch.setattr(nightly, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(nightly, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(nightly, "_git", lambda *words: "c0ffee" if "HEAD" in words else "")
    return tmp_path / "results"


def run(monkeypatch: pytest.MonkeyPatch, *commands: Command) -> tuple[int, Result]:
    """Run a part of these commands; its exit code and the result that it wrote."""
    monkeypatch.setattr(nightly, "parts", lambda _folder: {"part": Part("a part", commands)})
    code = nightly.main(["part"])
    result: Result = json.loads((nightly.RESULTS / "part.json").read_text())
    return code, result


def test_make_lists_every_part() -> None:
    shown = subprocess.run(
        ["make", "help"], cwd=nightly.ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"^nightly-(\w+) +\S", shown, re.MULTILINE)) == set(nightly.parts(Path()))


def test_the_page_of_results_is_that_of_the_results() -> None:
    assert (nightly.RESULTS / "README.md").read_text() == nightly.table()


def test_a_result_says_what_was_run_where_when_and_how_it_went(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, result = run(monkeypatch, says(FUZZ_OUTPUT), says("=== 12 passed in 3.20s ==="))
    assert code == 0
    assert result["passed"] is True
    assert result["failures"] == []
    assert result["counts"] == {
        "requests on sqlite": 30_004,
        "requests on postgresql": 30_100,
        "tests passed": 12,
    }
    assert result["commit"] == "c0ffee"
    assert result["machine"]["processors"] >= 1
    assert len(result["commands"]) == 2
    row = (results / "README.md").read_text().splitlines()[-1]
    assert row.startswith("| [part](part.json) | a part | passed | 30,004 requests on sqlite, ")


@pytest.mark.usefixtures("results")
def test_a_part_that_fails_says_so_and_goes_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    code, result = run(monkeypatch, says(PYTEST_OUTPUT, 1), says("not run"))
    assert code == 1
    assert result["passed"] is False
    assert len(result["commands"]) == 1
    assert result["failures"] == [
        "tests/test_it.py::test_broken[0.5 s] - AssertionError: 1 of 20 requests was lost",
        "tests/test_it.py::test_without_server - RuntimeError: PostgreSQL does not start",
    ]
    assert result["counts"] == {
        "tests failed": 1,
        "tests passed": 91,
        "tests deselected": 2,
        "tests error": 1,
    }


@pytest.mark.usefixtures("results")
def test_a_part_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "LIMIT_SECONDS", 0.2)
    code, result = run(monkeypatch, Command(("sleep", "600")))
    assert code == 1
    assert result["failures"] == ["sleep 600: exit code -15"]


def test_no_result_is_written_of_changes_that_no_commit_has(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nightly, "_git", lambda *_words: " M api/bookstore_api/app.py")
    assert nightly.main(["fuzz"]) == 2
    assert "app.py" in capsys.readouterr().err
    assert not results.exists()
