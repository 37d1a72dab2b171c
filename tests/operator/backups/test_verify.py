"""Backups are verified, and BackupHealthy is about the last one that was."""

from datetime import timedelta
from typing import Any

import pytest

from tests.operator.backups.test_index import end_backup, phase, records, result, shop, stored
from tests.support.world import World

pytestmark = pytest.mark.scenario

LOST_KEY: dict[str, Any] = {"command": "verify", "code": "key-missing", "message": "No key."}
DAMAGED: dict[str, Any] = {"command": "verify", "code": "damaged", "message": "dump.00001 differs."}
ALLOWED = timedelta(seconds=86400 + 600 + 2 * 3600 + 60)
"""The age of a backup that is healthy: with what the next one may take."""


def backed_up() -> tuple[World, str]:
    world = shop()
    job = end_backup(world, result(stored(1), {stored(1): "Complete"}), began=60)
    return world, job


def verifications(world: World) -> list[dict[str, Any]]:
    return [
        job
        for job in world.all("Job")
        if job["metadata"]["labels"]["app.kubernetes.io/component"] == "verify"
    ]


def test_a_backup_is_verified_by_a_job_that_goes_with_the_bookstore() -> None:
    world, job = backed_up()
    world.settle()
    (verify,) = verifications(world)
    record = records(world)[job]
    assert verify["metadata"]["ownerReferences"][0]["uid"] == world.store["metadata"]["uid"]
    args = verify["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[:2] == ["verify", stored(1)]
    assert "--store=shop.demo" in args
    assert record["status"]["phase"] == "Verified"
    assert record["status"]["verifiedAt"]
    assert world.condition("BackupHealthy") == ("True", "BackedUp")
    assert record["metadata"]["name"] in world.message("BackupHealthy")


@pytest.mark.parametrize("actions", range(6))
def test_an_operator_killed_anywhere_in_between_verifies_once(actions: int) -> None:
    world, job = backed_up()
    world.reconcile()
    world.reconcile(stop_after=actions)
    world.settle()
    assert len(verifications(world)) == 1
    assert phase(world, job) == "Verified"


def test_a_damaged_backup_is_unhealthy_at_once_until_a_newer_one_is_verified() -> None:
    world, job = backed_up()
    world.verified = DAMAGED
    world.settle()
    assert phase(world, job) == "Damaged"
    assert world.condition("BackupHealthy") == ("False", "BackupDamaged")
    assert "dump.00001 differs." in world.message("BackupHealthy")
    warnings = {event.reason for event in world.events if event.type == "Warning"}
    assert warnings == {"BackupDamaged"}
    world.verified = {**DAMAGED, "code": "done"}
    newer = {stored(2): "Complete", stored(1): "Damaged"}
    message = result(stored(2), newer)
    message["backup"]["started"] = "2026-01-02T03:00:00+00:00"
    end_backup(world, message, began=0)
    world.settle()
    assert world.condition("BackupHealthy") == ("True", "BackedUp")


def test_a_verification_that_can_not_tell_is_repeated_ever_less_often() -> None:
    world, job = backed_up()
    world.verified = LOST_KEY
    world.run_until(lambda _: len(verifications(world)) == 3)
    begun = [job["metadata"]["creationTimestamp"] for job in verifications(world)]
    assert len(set(begun)) == 3
    assert phase(world, job) == "Complete"
    assert records(world)[job]["status"]["reason"] == "VerifyFailed"
    assert "No key." in records(world)[job]["status"]["message"]
    assert world.condition("BackupHealthy") == ("Unknown", "NoBackupYet")
    world.verified = {**LOST_KEY, "code": "done"}
    world.settle()
    assert phase(world, job) == "Verified"


def test_a_person_can_ask_for_a_verification_again() -> None:
    world, job = backed_up()
    world.settle()
    world.verified = DAMAGED
    records(world)[job]["metadata"]["annotations"] = {"bookstore.dev/verify": "now"}
    world.settle()
    assert phase(world, job) == "Damaged"
    assert records(world)[job]["status"]["handledVerification"] == "now"
    assert len(verifications(world)) == 2


def test_a_backup_that_is_too_old_is_stale_when_the_next_has_had_its_time() -> None:
    world, _ = backed_up()
    world.settle()
    began = world.snapshot().backups[0].status.started_at
    assert began
    world.get("CronJob", "demo-backup")["status"] = {"lastSuccessfulTime": "2026-01-09T00:00:00Z"}
    world.now = began + ALLOWED - timedelta(seconds=1)
    world.reconcile()
    assert world.condition("BackupHealthy")[0] == "True"
    world.wait(1)
    world.reconcile()
    assert world.condition("BackupHealthy") == ("False", "BackupStale")


def test_without_any_verified_backup_it_is_unhealthy_in_the_end() -> None:
    world, _ = backed_up()
    world.verified = None
    world.steps(5)
    world.get("CronJob", "demo-backup")["status"] = {"lastSuccessfulTime": "2026-01-09T00:00:00Z"}
    world.wait((ALLOWED + timedelta(minutes=1)).total_seconds())
    world.reconcile()
    assert world.condition("BackupHealthy") == ("False", "BackupStale")
