"""Which of these tests are for this machine at all."""

from __future__ import annotations

import pytest

from devcluster.engine import machine_engine


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what tries the private engine where the machine's own is used in its place.

    Two engines would undo each other's network rules. It is no skip: nothing is missing.
    """
    private = [item for item in items if "private_machine" in getattr(item, "fixturenames", ())]
    if private and machine_engine() is not None:
        config.hook.pytest_deselected(items=private)
        items[:] = [item for item in items if item not in private]
