"""When a color's Pods count as available."""

from typing import Any

import pytest

from bookstore_operator.components.serving.availability import all_available

pytestmark = pytest.mark.scenario

FINE = {"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}


@pytest.mark.parametrize(
    ("status", "asked_for", "available"),
    [
        (FINE, 3, True),
        ({**FINE, "observedGeneration": 3}, 3, False),
        ({**FINE, "replicas": 4}, 3, False),
        ({**FINE, "updatedReplicas": 2}, 3, False),
        ({**FINE, "availableReplicas": 2}, 3, False),
        (FINE, 2, False),
        ({}, 3, False),
        ({"observedGeneration": 4}, 0, True),
    ],
)
def test_a_color_is_available_when_all_its_pods_are_new_and_available(
    status: dict[str, Any], asked_for: int, *, available: bool
) -> None:
    deployment = {"metadata": {"generation": 4}, "spec": {"replicas": asked_for}, "status": status}
    wanted = asked_for if asked_for == 0 else 3
    assert all_available(deployment, wanted) is available
