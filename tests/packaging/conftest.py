"""What the tests of the chart share."""

from pathlib import Path
from typing import Any

import pytest

from devcluster import binaries
from devcluster.errors import DevclusterError
from tests.support.helm import Leaves, leaves, render


@pytest.fixture(scope="session")
def helm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for Helm's files; skips where there is no Helm."""
    try:
        binaries.ensure(["helm"])
    except DevclusterError as error:
        pytest.skip(f"no Helm: {error}")
    return tmp_path_factory.mktemp("helm")


@pytest.fixture(scope="session")
def defaults(helm_folder: Path) -> list[dict[str, Any]]:
    """Return the objects that the chart renders to without values."""
    return render(helm_folder)


@pytest.fixture(scope="session")
def default_leaves(defaults: list[dict[str, Any]]) -> Leaves:
    """Return their values by path."""
    return leaves(defaults)
