"""Backups in the simulated world, whose CronJobs create no Jobs."""

import json
from datetime import timedelta
from typing import Any

from tests.support.world import BACKED_UP, BACKUP_NAME, World


def add_backup(world: World, *, began: int = 60, ended: bool = True, **more: Any) -> str:
    """Let a backup have begun so many seconds ago; returns its Job's name."""
    template = world.get("CronJob", "demo-backup")["spec"]["jobTemplate"]
    name = str(more.pop("name", f"demo-backup-{began}"))
    start = (world.now - timedelta(seconds=began)).strftime("%Y-%m-%dT%H:%M:%SZ")
    done = {"type": "Complete", "status": "True", "lastTransitionTime": start}
    status = {
        "startTime": start,
        **({"conditions": [done]} if ended else {"active": 1, "ready": 1}),
    }
    metadata = {**template["metadata"], "name": name, "uid": name, "creationTimestamp": start}
    kind = {"apiVersion": "batch/v1", "kind": "Job"}
    spec = template["spec"]
    world.add({**kind, "metadata": {**metadata, **more}, "spec": spec, "status": status})
    return name


def add_result(world: World, job: str, **result: Any) -> None:
    """Let the Pod of a backup Job have ended with the tool's result."""
    message = json.dumps({**BACKED_UP, **result})
    metadata = {
        "name": f"{job}-x",
        "uid": f"{job}-x",
        "labels": {
            **world.get("Job", job)["metadata"]["labels"],
            "batch.kubernetes.io/job-name": job,
        },
    }
    ended = {"exitCode": 0, "finishedAt": "2026-01-01T00:00:00Z", "message": message}
    statuses = [{"name": "backup", "state": {"terminated": ended}}]
    status = {"phase": "Succeeded", "containerStatuses": statuses}
    world.add({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})


def add_record(world: World, phase: str, backup: str = BACKUP_NAME) -> None:
    """Let a BookStoreBackup say something of a backup in the target."""
    metadata = {"name": "found", "creationTimestamp": "2026-01-01T00:00:00Z", "uid": "found"}
    world.add(
        {
            "apiVersion": "bookstore.dev/v1alpha1",
            "kind": "BookStoreBackup",
            "metadata": metadata,
            "spec": {"storeName": "demo"},
            "status": {"phase": phase, "backup": backup},
        }
    )
