"""Gates, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bookstore_operator.components.serving.availability import all_available
from bookstore_operator.releases.migrations import Migration
from bookstore_operator.releases.stages.expand import retry_at
from bookstore_operator.workloads.jobs import Ending, result_of
from tests.support.world import World

pytestmark = pytest.mark.scenario

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FINE = {
    "observedGeneration": 4,
    "replicas": 3,
    "updatedReplicas": 3,
    "availableReplicas": 3,
}


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
def test_a_colour_is_available_when_all_its_pods_are_new_and_available(
    status: dict[str, Any], asked_for: int, *, available: bool
) -> None:
    deployment = {
        "metadata": {"generation": 4},
        "spec": {"replicas": asked_for},
        "status": status,
    }
    wanted = asked_for if asked_for == 0 else 3
    assert all_available(deployment, wanted) is available


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (60, 300)]
)
def test_the_wait_before_another_try_doubles_up_to_five_minutes(attempt: int, seconds: int) -> None:
    tried = Migration({}, attempt, Ending.FAILED, ended_at=NOW)
    assert retry_at(tried, NOW + timedelta(hours=1)) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("message", "result"),
    [
        ('{"code": "locked"}', {"code": "locked"}),
        ('a log line\n{"code": "failed"}\n', {"code": "failed"}),
        ("Traceback\nValueError: no", {"message": "ValueError: no"}),
        ("[1, 2]", {"message": "[1, 2]"}),
        ("", {}),
    ],
)
def test_what_a_job_said_is_read_from_its_termination_message(
    message: str, result: dict[str, Any]
) -> None:
    world = World().settle()
    pod = world.get("Pod", "demo-r1-expand-x")
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = message
    assert result_of(world.snapshot(), world.get("Job", "demo-r1-expand")) == result
