"""What `kubectl bookstore drill` shows of a drill, at each of its steps."""

from datetime import UTC, datetime
from typing import Any

import pytest

from kubectl_bookstore.errors import ExitCode
from kubectl_bookstore.views.drills import drilled, last_line

pytestmark = pytest.mark.golden

LAST = {
    "job": "demo-drill-1",
    "result": "Succeeded",
    "endedAt": "2026-01-01T00:00:00Z",
    "message": "All is well.",
    "backup": "20260101T000000Z-00000a",
    "recoveryTimeSeconds": 2.5,
}
DONE = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
SERVER = {"name": "postgres", "started": True, "state": {"running": {}}}
RESTORED = {"name": "drill", "state": {"terminated": {"exitCode": 0}}}


def seen(
    *initial: dict[str, Any], job: dict[str, Any] | None = None, last: Any = None
) -> dict[str, Any]:
    pods = [{"status": {"initContainerStatuses": list(initial)}}] if initial else []
    store = {"status": {"lastDrill": last}}
    return {"name": "demo-drill-1", "job": job, "pods": pods, "store": store}


@pytest.mark.parametrize(
    ("given", "says", "code"),
    [
        (seen(job={}), "waiting for its Pod", None),
        (seen({**SERVER, "started": False}, job={}), "starting a PostgreSQL", None),
        (seen(SERVER, job={}), "restoring and comparing", None),
        (seen(SERVER, RESTORED, job={}), "checking the schema", None),
        (seen(job=DONE), "waiting for the operator to report it", None),
        (seen(job=DONE, last={**LAST, "job": "demo-drill-0"}), "waiting for the operator", None),
        (seen(job=DONE, last=LAST), "Succeeded: All is well.", ExitCode.DONE),
        (seen(job=DONE, last={**LAST, "result": "Damaged"}), "Damaged", ExitCode.FAILED),
        (seen(job=DONE, last={**LAST, "result": "NoBackup"}), "NoBackup", ExitCode.FAILED),
        (seen(), "was deleted before the operator read its result", ExitCode.FAILED),
        (seen(last=LAST), "Succeeded", ExitCode.DONE),
    ],
)
def test_each_step_is_shown_until_the_operator_has_reported(
    given: dict[str, Any], says: str, code: ExitCode | None
) -> None:
    progress = drilled(given)
    assert says in progress.line
    assert progress.code is code


def test_the_last_drill_is_one_line() -> None:
    now = datetime(2026, 1, 1, 2, tzinfo=UTC)
    assert last_line({"status": {"lastDrill": LAST}}, now) == (
        "Last drill: Succeeded 2h ago: 20260101T000000Z-00000a, restored in 2 s."
    )
    assert not last_line({}, now)
