"""The results of Jobs, from their Pods' termination messages."""

from typing import Any

import pytest

from bookstore_operator.workloads.jobs import result_of
from tests.support.world import World

pytestmark = pytest.mark.scenario


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
def test_the_result_of_a_job_is_its_termination_message(
    message: str, result: dict[str, Any]
) -> None:
    world = World().settle()
    pod = world.get("Pod", "demo-r1-expand-x")
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = message
    assert result_of(world.snapshot(), world.get("Job", "demo-r1-expand")) == result
