"""P2, CI/CD reliability: what fails in CI runs once more, alone; a test of an invariant never."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.golden

ROOT = Path(__file__).parents[1]
# How often each test ran is counted in a file: the runs are processes of their own.
PREAMBLE = """
import pytest
from pathlib import Path

def runs(name):
    with Path(name).open("a") as file:
        file.write("x")
    return len(Path(name).read_text())

def test_well():
    runs("well")
"""
FLAKY = """
def test_flaky():
    assert runs("flaky") > 1, "only the first time"
"""

# Those that need no plugin start in a third of the time without them.
WITHOUT_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def run(folder: Path, *tests: str, workers: int = 0) -> tuple[int, str]:
    """Run tests by the protocol; the exit code and all that was printed."""
    (folder / "test_it.py").write_text("\n".join([PREAMBLE, *tests]))
    arguments = [f"-n{workers}"] if workers else []
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.flaky", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)} | ({} if workers else WITHOUT_PLUGINS),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def runs(folder: Path, name: str) -> int:
    """How often a test ran."""
    return len((folder / name).read_text())


def kept(folder: Path) -> str:
    """What CI is left of flaky tests."""
    file = folder / ".test-output/flaky.txt"
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize("workers", [0, 2])
def test_a_test_that_passes_alone_is_flaky(tmp_path: Path, workers: int) -> None:
    # With workers, xdist's fixtures are there in the second run as in the first.
    flaky = FLAKY.replace("()", "(testrun_uid)", 1) if workers else FLAKY
    code, printed = run(tmp_path, flaky, workers=workers)
    line = "test_it.py::test_flaky: AssertionError: only the first time\n"
    assert code == 0, printed
    assert f"=== flaky: passed when run again\n{line}" in printed
    assert line in kept(tmp_path)
    assert (runs(tmp_path, "flaky"), runs(tmp_path, "well")) == (2, 1)


def test_a_fixture_that_fails_once_is_flaky(tmp_path: Path) -> None:
    shaky = """
@pytest.fixture
def shaky():
    assert runs("shaky") > 1, "the server did not start"

def test_with_a_server(shaky): pass
"""
    code, printed = run(tmp_path, shaky)
    assert code == 0, printed
    assert "the server did not start" in kept(tmp_path)


def test_a_server_that_many_tests_miss_is_one_failure(tmp_path: Path) -> None:
    server = """
@pytest.fixture(scope="session")
def server():
    assert runs("server") > 1, "the server did not start"

@pytest.mark.parametrize("n", range(30))
def test_with_a_server(server, n): pass
"""
    code, printed = run(tmp_path, server)
    assert code == 0, printed
    assert kept(tmp_path).count("the server did not start") == 30


def test_a_test_that_fails_again_fails_the_run(tmp_path: Path) -> None:
    code, printed = run(tmp_path, FLAKY, "def test_broken(): assert runs('broken') < 0")
    assert code == 1, printed
    assert runs(tmp_path, "broken") == 2
    assert kept(tmp_path) == ""


def test_an_invariant_is_never_run_again(tmp_path: Path) -> None:
    counts = '@pytest.mark.invariant\ndef test_counts(): assert runs("counts") > 1'
    code, printed = run(tmp_path, FLAKY, counts, workers=2)
    assert code == 1, printed
    assert "never run again: test_it.py::test_counts" in printed
    assert (runs(tmp_path, "counts"), runs(tmp_path, "flaky")) == (1, 1)
    assert kept(tmp_path) == ""


def test_many_failures_are_no_flake(tmp_path: Path) -> None:
    many = '@pytest.mark.parametrize("n", range(11))\ndef test_many(n): assert runs("many") > 11'
    code, printed = run(tmp_path, many)
    assert code == 1, printed
    assert runs(tmp_path, "many") == 11


def test_what_can_not_be_collected_is_no_flake(tmp_path: Path) -> None:
    code, printed = run(tmp_path, FLAKY, "raise RuntimeError('no such thing')")
    assert code == pytest.ExitCode.INTERRUPTED, printed
    assert kept(tmp_path) == ""


def test_a_run_that_passes_runs_once(tmp_path: Path) -> None:
    code, printed = run(tmp_path)
    assert code == 0, printed
    assert runs(tmp_path, "well") == 1
    assert "flaky" not in printed
