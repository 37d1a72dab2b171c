"""What is recorded of backups, and how they end that only containers of others keep running."""

import json
from typing import Any

import pytest

from bookstore_operator.core.kinds import key_of
from tests.support.backups import add_backup
from tests.support.world import BACKED_UP, Object, World

pytestmark = pytest.mark.scenario

BACKUP: Object = {"schedule": "0 3 * * *"}
NAME = "demo-backup-60"


@pytest.fixture
def world() -> World:
    return World(spec={"image": "api:1", "backup": BACKUP}).settle()


def add_kept(world: World, exit_code: int) -> Object:
    """Let a backup have ended in a Pod in which the proxy of a mesh runs on; returns the Pod."""
    world.backup = None
    name = add_backup(world, ended=False)
    template = world.get("Job", name)["spec"]["template"]["metadata"]
    labels = {**template["labels"], "batch.kubernetes.io/job-name": name}
    finished = world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    message = json.dumps(BACKED_UP) if exit_code == 0 else ""
    ended = {"terminated": {"exitCode": exit_code, "finishedAt": finished, "message": message}}
    containers = [
        {"name": "backup", "state": ended},
        {"name": "istio-proxy", "state": {"running": {"startedAt": finished}}},
    ]
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{name}-x", "uid": "pod", "labels": labels},
        "status": {"phase": "Running", "containerStatuses": containers},
    }
    world.add(pod)
    return pod


def set_cron_job(world: World, **status: Any) -> None:
    world.get("CronJob", "demo-backup")["status"] = status


def test_the_last_backup_is_recorded_and_outlives_its_job(world: World) -> None:
    name = add_backup(world)
    world.settle()
    assert world.release("demo-r1")["lastBackup"]["job"] == name
    world.lose("Job").settle()
    world.change(image="api:2").settle()
    assert name in world.release("demo-r2")["backup"]["message"]
    assert not world.has("Job", "demo-r2-backup")
    assert world.store["status"]["lastBackupAt"]


def test_a_backup_kept_running_by_a_sidecar_is_ended_once_it_is_recorded(world: World) -> None:
    add_kept(world, exit_code=0)
    world.steps(2)
    assert world.release("demo-r1")["lastBackup"]["job"] == NAME
    assert not world.has("Job", NAME)
    world.settle()
    assert world.condition("BackupHealthy") == ("True", "BackedUp")


def test_a_failed_backup_kept_running_by_a_sidecar_is_tried_again_by_its_job(world: World) -> None:
    pod = add_kept(world, exit_code=1)
    world.steps(2)
    assert world.has("Job", NAME)
    assert key_of(pod) not in world.objects
    assert "lastBackup" not in world.release("demo-r1")


def test_a_failed_backup_whose_job_is_gone_is_reported(world: World) -> None:
    set_cron_job(world, lastScheduleTime="2026-01-01T00:00:00Z")
    world.wait(120).step()
    assert world.condition("BackupHealthy") == ("False", "BackupFailed")
    assert "its Job was deleted" in world.message("BackupHealthy")
    assert "2026-01-01 00:00 UTC" in world.message("BackupHealthy")
    later = {"lastScheduleTime": "2026-01-01T00:00:00Z"}
    set_cron_job(world, **later, lastSuccessfulTime="2026-01-01T00:00:30Z")
    world.step()
    assert world.condition("BackupHealthy") == ("Unknown", "NoBackupYet"), "no longer as failed"


@pytest.mark.parametrize(
    "status",
    [
        {"lastScheduleTime": "2026-01-01T00:00:00Z", "active": [{"name": "demo-backup-1"}]},
        {},
    ],
    ids=["runs", "never"],
)
def test_a_backup_that_runs_is_not_taken_for_lost(world: World, status: Object) -> None:
    set_cron_job(world, **status)
    world.wait(120).step()
    assert world.condition("BackupHealthy") == ("Unknown", "NoBackupYet")


def test_the_claim_is_applied_once_though_the_api_server_fills_in_its_class() -> None:
    def fill_in(manifest: Object) -> None:
        if manifest["kind"] == "PersistentVolumeClaim":
            manifest["spec"].setdefault("storageClassName", "standard")

    world = World(spec={"image": "api:1", "backup": BACKUP}, webhook=fill_in).settle()
    applied = [a for a in world.done if getattr(a, "manifest", {}).get("kind") == CLAIM]
    assert [a.reason for a in applied] == ["Create"]


CLAIM = "PersistentVolumeClaim"
