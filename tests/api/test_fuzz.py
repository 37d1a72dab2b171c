"""Hundreds of cases by what the OpenAPI says, on both databases; `scripts/fuzz` runs any number."""

from pathlib import Path

import pytest

from tests.support.bookstore import StartProcess
from tests.support.fuzz import SETTINGS, faults_of, fuzz

EXAMPLES = 20


@pytest.mark.timeout(400)
def test_no_case_finds_a_fault(start: StartProcess, url: str, tmp_path: Path) -> None:
    process = start(url, **SETTINGS).wait_until_ready()
    result = fuzz(process.url, tmp_path, examples=EXAMPLES, seed=5)
    assert result.passed, result.output
    assert result.cases > 10 * EXAMPLES
    assert faults_of(process) == []
