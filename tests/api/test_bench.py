"""P6, performance SLA: the measurement of what a layer costs runs, and leaves no layer out."""

import subprocess
import sys
from pathlib import Path

from bookstore_api.settings import Settings
from tests.support.bookstore import app_of

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
