"""Drills in the simulated world, whose CronJobs create no Jobs."""

import json
from datetime import timedelta
from typing import Any

from tests.support.world import BACKUP_NAME, CURRENT, World

DRILLED: dict[str, Any] = {
    "command": "drill",
    "code": "done",
    "message": f"{BACKUP_NAME} was restored in 2.5 s, and its 5 rows are the same.",
    "name": BACKUP_NAME,
    "rows": 5,
    "recoveryTimeSeconds": 2.5,
    "recoveryPointSeconds": 7200.0,
}


def add_drill(world: World, name: str = "demo-drill-1", *, ago: float = 0) -> str:
    """Let a drill have begun so many seconds ago, as its CronJob does; returns its Job's name."""
    cron_job = world.get("CronJob", "demo-drill")
    template = cron_job["spec"]["jobTemplate"]
    begun = _time(world, ago)
    owner = {"kind": "CronJob", "name": "demo-drill", "uid": cron_job["metadata"]["uid"]}
    metadata = {
        **template["metadata"],
        "name": name,
        "uid": name,
        "creationTimestamp": begun,
        "ownerReferences": [owner],
    }
    status = {"startTime": begun, "active": 1, "ready": 1}
    kind = {"apiVersion": "batch/v1", "kind": "Job"}
    world.add({**kind, "metadata": metadata, "spec": template["spec"], "status": status})
    return name


def end_drill(
    world: World,
    name: str,
    drilled: dict[str, Any] | None = DRILLED,
    checked: dict[str, Any] | None = CURRENT,
    *,
    ago: float = 0,
    **pod_status: Any,
) -> None:
    """Let a drill's Pod have ended with what its containers say; None: they say nothing."""
    fine = bool(drilled and drilled["code"] == "done")
    checks = {"current": 0, "ahead": 0, "behind": 3, "incompatible": 4}
    code = checks.get((checked or {}).get("code", ""), 1)
    ended = _time(world, ago)
    job = world.get("Job", name)
    kind = "Complete" if fine and code == 0 else "Failed"
    job["status"] = {"conditions": [{"type": kind, "status": "True", "lastTransitionTime": ended}]}
    initial = [{"name": "postgres", "state": {"terminated": {"exitCode": 0}}}]
    if drilled:
        initial.append({"name": "drill", "state": _terminated(0 if fine else 3, drilled)})
    main = _terminated(code, checked) if fine and checked else {"waiting": {}}
    status = {
        "phase": "Succeeded" if kind == "Complete" else "Failed",
        "initContainerStatuses": initial,
        "containerStatuses": [{"name": "check", "state": main}],
        **pod_status,
    }
    labels = {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
    metadata = {"name": f"{name}-x", "uid": f"{name}-x", "labels": labels}
    world.add({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})


def _terminated(code: int, message: dict[str, Any]) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "message": json.dumps(message)}}


def _time(world: World, ago: float) -> str:
    return (world.now - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
