"""Guards that belong to no distribution."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
