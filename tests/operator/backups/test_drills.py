"""Drills: a CronJob whose Pods restore the newest backup, and what is made of their results."""

from datetime import timedelta
from typing import Any

import pytest

from tests.operator.backups.test_index import end_backup, records, result
from tests.support.drills import DRILLED, add_drill, end_drill
from tests.support.world import BACKUP_NAME, World

pytestmark = pytest.mark.scenario

BACKUP: dict[str, Any] = {"schedule": "0 3 * * *", "drill": {"schedule": "0 5 * * *"}}
SPEC: dict[str, Any] = {"image": "api:1", "backup": BACKUP}
DAMAGED: dict[str, Any] = {
    "command": "drill",
    "code": "content-differs",
    "message": "books has 4 rows instead of 5.",
    "name": BACKUP_NAME,
}
BEHIND = {"command": "check-schema", "code": "behind", "message": "0002 is not applied."}


def shop(spec: dict[str, Any] = SPEC) -> World:
    """Return a BookStore with a backup that is verified."""
    world = World(spec=spec).settle()
    end_backup(world, result(BACKUP_NAME, {BACKUP_NAME: "Complete"}), began=60)
    return world.settle()


def drilled(world: World) -> dict[str, Any]:
    last: dict[str, Any] = world.store["status"].get("lastDrill") or {}
    return last


def phase(world: World) -> str:
    (record,) = records(world).values()
    text: str = record["status"]["phase"]
    return text


def template(world: World) -> dict[str, Any]:
    job = world.get("CronJob", "demo-drill")["spec"]["jobTemplate"]
    pod: dict[str, Any] = job["spec"]["template"]["spec"]
    return pod


def test_its_pod_has_a_server_that_only_it_can_reach_and_no_volume_is_left() -> None:
    world = shop()
    spec = world.get("CronJob", "demo-drill")["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["suspend"]) == ("0 5 * * *", "Etc/UTC", False)
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 3600
    pod = template(world)
    server, restores = pod["initContainers"]
    (check,) = pod["containers"]
    assert (server["image"], server["restartPolicy"]) == ("postgres:18", "Always")
    assert "listen_addresses=127.0.0.1" in server["args"]
    assert "ports" not in server
    assert restores["image"] == "backup:18"
    assert restores["args"][:2] == ["drill", "latest"]
    assert (check["image"], check["args"]) == ("api:1", ["check-schema"])
    assert {v["name"]: v for v in pod["volumes"]}["drill-data"]["emptyDir"]["sizeLimit"] == "2Gi"
    assert "database" not in {volume["name"] for volume in pod["volumes"]}, (
        "nothing of the real one"
    )
    assert "lastDrill" not in world.store["status"]


def test_it_asks_the_image_that_serves_whatever_is_released() -> None:
    world = shop()
    world.change(image="api:2").reach("Verify")
    assert template(world)["containers"][0]["image"] == "api:1"
    world.settle()
    assert template(world)["containers"][0]["image"] == "api:2"


@pytest.mark.parametrize("change", [{"backup": {"schedule": "0 3 * * *"}}, {"backup": None}])
def test_without_it_in_the_spec_the_cron_job_goes(change: dict[str, Any]) -> None:
    world = shop()
    end_drill(world, add_drill(world))
    assert drilled(world.settle())
    world.change(**change).settle()
    assert not world.has("CronJob", "demo-drill")
    assert not drilled(world)


def test_it_is_suspended_with_the_backups_and_goes_on_without_pods_of_the_api() -> None:
    world = shop().change(replicas=0).settle()
    assert world.get("CronJob", "demo-drill")["spec"]["suspend"] is False
    world.change(backup={**BACKUP, "suspend": True}).settle()
    assert world.get("CronJob", "demo-drill")["spec"]["suspend"] is True


def test_a_drill_that_succeeds_is_reported_with_what_it_measured() -> None:
    world = shop()
    end_drill(world, add_drill(world))
    world.settle()
    last = drilled(world)
    assert last["result"] == "Succeeded"
    assert (last["job"], last["backup"]) == ("demo-drill-1", BACKUP_NAME)
    assert (last["recoveryTimeSeconds"], last["recoveryPointSeconds"]) == (2.5, 7200.0)
    assert last["succeededAt"] == last["endedAt"]
    assert phase(world) == "Verified"
    assert world.condition("BackupHealthy") == ("True", "BackedUp")
    assert f"A drill restored {BACKUP_NAME} in 2 s" in world.message("BackupHealthy")


def test_an_older_schema_is_migrated_by_a_release_so_the_drill_succeeds() -> None:
    world = shop()
    end_drill(world, add_drill(world), checked=BEHIND)
    world.settle()
    assert drilled(world)["result"] == "Succeeded"
    assert "A release migrates its schema first" in drilled(world)["message"]


def test_a_backup_that_a_drill_finds_damaged_is_named_everywhere_once() -> None:
    world = shop()
    end_drill(world, add_drill(world), DAMAGED)
    world.settle()
    assert drilled(world)["result"] == "Damaged"
    assert phase(world) == "Damaged"
    assert world.condition("BackupHealthy") == ("False", "BackupDamaged")
    assert DAMAGED["message"] in world.message("BackupHealthy")
    warnings = [e for e in world.events if e.type == "Warning" and "BackupHealthy" in e.message]
    assert [event.reason for event in warnings] == ["BackupDamaged"]


def test_a_drill_of_an_older_damaged_backup_is_a_failed_one() -> None:
    """The newest backup is verified, but the one that the drill took could not be restored."""
    world = shop()
    end_drill(world, add_drill(world), {**DAMAGED, "name": "20251231T000000Z-00000b"})
    world.settle()
    assert world.condition("BackupHealthy") == ("False", "DrillFailed")
    assert "kubectl bookstore drill demo --wait" in world.message("BackupHealthy")
    end_drill(world, add_drill(world, "demo-drill-2"), ago=-5)
    world.wait(10)
    world.settle()
    assert world.condition("BackupHealthy") == ("True", "BackedUp")


@pytest.mark.parametrize(
    ("drilled_", "checked", "status", "says"),
    [
        (None, None, {"reason": "Evicted", "message": "exceeds the limit"}, "backup.drill.size"),
        ({"code": "target-unreachable", "message": "No answer."}, None, {}, "No answer."),
        ({"code": "restore-failed", "message": "no extension x"}, None, {}, "no extension x"),
        (
            DRILLED,
            {"code": "incompatible", "message": "books.price is gone"},
            {},
            "the code that serves does not work on it: books.price is gone",
        ),
        (DRILLED, None, {}, "The check of its schema"),
    ],
)
def test_a_drill_that_fails_for_another_reason_condemns_no_backup(
    drilled_: dict[str, Any] | None,
    checked: dict[str, Any] | None,
    status: dict[str, Any],
    says: str,
) -> None:
    world = shop()
    end_drill(world, add_drill(world), drilled_, checked, **status)
    world.settle()
    assert drilled(world)["result"] == "Failed"
    assert world.condition("BackupHealthy") == ("False", "DrillFailed")
    assert says in world.message("BackupHealthy")
    assert phase(world) == "Verified"


def test_before_the_first_backup_there_is_nothing_to_drill_and_nothing_wrong() -> None:
    world = World(spec=SPEC).settle()
    end_drill(world, add_drill(world), {"code": "not-found", "message": "There is none."})
    world.settle()
    assert drilled(world)["result"] == "NoBackup"
    assert world.condition("BackupHealthy") == ("Unknown", "NoBackupYet")


def test_results_survive_their_jobs_and_an_older_one_changes_nothing() -> None:
    world = shop()
    add_drill(world, "demo-drill-1", ago=100)
    end_drill(world, "demo-drill-1", DAMAGED, ago=90)
    end_drill(world, add_drill(world, "demo-drill-2", ago=50), ago=40)
    world.settle()
    assert (drilled(world)["job"], phase(world)) == ("demo-drill-2", "Verified")
    world.lose("Job").restart_operator().settle()
    assert drilled(world)["job"] == "demo-drill-2"
    assert world.condition("BackupHealthy") == ("True", "BackedUp")


def test_what_was_read_stays_when_its_pod_is_deleted() -> None:
    world = shop()
    end_drill(world, add_drill(world))
    before = dict(drilled(world.settle()))
    assert drilled(world.lose("Pod").settle()) == before


def test_a_job_that_has_succeeded_without_its_pod_measured_nothing_that_is_known() -> None:
    world = shop()
    end_drill(world, add_drill(world))
    world.lose("Pod").settle()
    assert drilled(world)["result"] == "Succeeded"
    assert "recoveryTimeSeconds" not in drilled(world)


@pytest.mark.parametrize("result_", [DRILLED, DAMAGED])
def test_the_end_of_a_job_that_is_seen_before_its_pods_is_waited_for(
    result_: dict[str, Any],
) -> None:
    world = shop()
    end_drill(world, add_drill(world), result_)
    pod = world.get("Pod", "demo-drill-1-x")
    ended, running = pod["status"], {"phase": "Running", "initContainerStatuses": []}
    pod["status"] = running
    world.reconcile()
    assert not drilled(world)
    pod["status"] = ended
    world.settle()
    assert drilled(world)["result"] == ("Succeeded" if result_ is DRILLED else "Damaged")


@pytest.mark.parametrize("actions", range(4))
def test_an_operator_killed_anywhere_takes_a_result_over_once(actions: int) -> None:
    world = shop()
    end_drill(world, add_drill(world), DAMAGED)
    world.reconcile(stop_after=actions)
    world.restart_operator().settle()
    assert (drilled(world)["result"], phase(world)) == ("Damaged", "Damaged")


def test_a_verification_by_hand_after_a_drill_has_the_last_word() -> None:
    world = shop()
    end_drill(world, add_drill(world), DAMAGED)
    world.settle()
    (record,) = records(world).values()
    record["metadata"]["annotations"] = {"bookstore.dev/verify": "again"}
    world.settle()
    assert phase(world) == "Verified"
    assert world.condition("BackupHealthy") == ("False", "DrillFailed"), "until the next drill"


def test_jobs_of_a_former_cron_job_of_the_name_count_for_nothing() -> None:
    world = shop()
    job = world.get("Job", add_drill(world))
    job["metadata"]["ownerReferences"][0]["uid"] = "former"
    end_drill(world, "demo-drill-1", DAMAGED)
    world.reconcile()
    assert not drilled(world)
    assert phase(world) == "Verified"


def test_a_drill_that_is_not_done_is_overdue_but_not_while_it_runs() -> None:
    world = shop()
    world.now = world.now.replace(hour=5, minute=0) + timedelta(days=0, seconds=600 + 3600 + 60)
    world.get("CronJob", "demo-backup")["status"] = {"lastSuccessfulTime": "2030-01-01T00:00:00Z"}
    world.wait(-1)
    world.reconcile()
    assert world.condition("BackupHealthy") == ("True", "BackedUp")
    world.wait(1)
    world.reconcile()
    assert world.condition("BackupHealthy") == ("False", "DrillOverdue")
    assert "kubectl describe cronjob demo-drill" in world.message("BackupHealthy")
    name = add_drill(world)
    world.reconcile()
    assert world.condition("BackupHealthy") == ("True", "BackedUp")
    end_drill(world, name)
    world.settle()
    assert world.condition("BackupHealthy") == ("True", "BackedUp")


def test_images_that_can_not_be_pulled_are_named_with_the_setting() -> None:
    world = shop()
    name = add_drill(world, ago=600)
    world.wait(600)
    end_drill(world, name)
    pod = world.get("Pod", f"{name}-x")
    world.get("Job", name)["status"] = {"active": 1}
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    for container, says in (("postgres", "--postgres-image"), ("drill", "--backup-image")):
        pod["status"] = {
            "phase": "Pending",
            "initContainerStatuses": [
                {"name": container, "image": "x:1", "restartCount": 9, "state": waiting}
            ],
        }
        world.reconcile()
        assert world.condition("BackupHealthy") == ("False", "DrillFailed")
        assert says in world.message("BackupHealthy")


def test_the_final_backup_ends_a_drill_that_may_hold_the_volume() -> None:
    world = shop().change(deletionPolicy="FinalBackup").settle()
    name = add_drill(world)
    world.delete_store()
    world.steps(5)
    assert not world.has("Job", name)
