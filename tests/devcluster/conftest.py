"""Folders of the tests' own, and which of these tests are for this machine at all."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from devcluster import controlplane, progress, run
from devcluster.engine import machine_engine

# Where Go keeps what it compiled follows XDG_CACHE_HOME: tests that build use the real one.
GO_CACHE = run.output(["go", "env", "GOCACHE"]) if shutil.which("go") else ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what tests the private engine where the machine's own is used instead.

    Two engines would undo each other's network rules. It is no skip: nothing is missing.
    """
    private = [item for item in items if "private_machine" in getattr(item, "fixturenames", ())]
    if private and machine_engine() is not None:
        config.hook.pytest_deselected(items=private)
        items[:] = [item for item in items if item not in private]


@pytest.fixture(autouse=True)
def own_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Keep the clusters of a test apart from the developer's own, and take them down after it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    if request.node.get_closest_marker("e2e") is None:  # that tier uses the developer's engine
        monkeypatch.delenv("DOCKER_HOST", raising=False)
    yield
    for plane in controlplane.all_known():
        controlplane.down(plane.name)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test an empty cache, and its path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOCACHE", GO_CACHE)
    monkeypatch.delenv("DEVCLUSTER_BUILD", raising=False)
    return tmp_path / "cache" / "devcluster"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Give what people see, as in a log file."""
    text = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=text, width=200))
    return text
