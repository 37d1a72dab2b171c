"""Guards that belong to no distribution."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import deal

ROOT = Path(__file__).parents[1]
PYTEST = (sys.executable, "-m", "pytest")


@pytest.mark.golden
def test_operator_folder_is_no_package() -> None:
    """An `operator/__init__.py` would shadow Python's own `operator` for whoever starts here."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    run = subprocess.run(
        [sys.executable, "-c", "import collections, operator; print(operator.itemgetter)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "itemgetter" in run.stdout


@pytest.mark.golden
@pytest.mark.parametrize("workers", range(1, 7))
@pytest.mark.parametrize(("long", "rest"), [(0, 0), (1, 2), (7, 0), (9, 60), (5, 61)])
def test_each_worker_begins_with_its_share_of_long_tests(
    long: int, rest: int, workers: int
) -> None:
    dealt = deal([f"long {n}" for n in range(long)], [f"{n}" for n in range(rest)], workers)
    assert len(dealt) == len(set(dealt)) == long + rest
    assert [test for test in dealt if "long" not in test] == [f"{n}" for n in range(rest)]
    begin = 0
    for number in range(workers):
        size = (long + rest + number) // workers
        share = len([test for test in dealt[begin : begin + size] if "long" in test])
        if rest > workers:
            assert long // workers <= share <= long // workers + 1
            assert all("long" in test for test in dealt[begin : begin + share])
        begin += size


@pytest.mark.golden
@pytest.mark.parametrize(("variable", "code"), [("CI", 1), ("NIGHTLY", 1), ("NEITHER", 0)])
def test_in_ci_a_skipped_test_fails(tmp_path: Path, variable: str, code: int) -> None:
    """P2, CI/CD reliability: a tier whose server is missing does not vanish unseen."""
    (tmp_path / "test_it.py").write_text('import pytest\ndef test(): pytest.skip("no server")\n')
    environment = {
        name: value for name, value in os.environ.items() if name not in {"CI", "NIGHTLY"}
    }
    run = subprocess.run(
        [*PYTEST, "-o", "timeout=60", "-p", "pytest_timeout", "-p", "tests.conftest"],
        cwd=tmp_path,
        env={
            **environment,
            variable: "true",
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code, run.stdout + run.stderr
    assert ("skipped, which is a failure in CI: " in run.stdout) == (code == 1)
