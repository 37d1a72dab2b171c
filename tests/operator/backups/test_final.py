"""deletionPolicy FinalBackup: the BookStore goes after a verified backup, or in time without."""

from datetime import timedelta
from typing import Any

import pytest

from bookstore_operator.crd.base import FINAL_BACKUP
from tests.support.world import World

pytestmark = pytest.mark.scenario

SPEC: dict[str, Any] = {
    "image": "api:1",
    "backup": {"schedule": "0 3 * * *", "timeoutSeconds": 600},
    "deletionPolicy": "FinalBackup",
}
LIMIT = timedelta(seconds=2 * 600, minutes=10)


def shop() -> World:
    return World(spec=SPEC).settle()


def delete(world: World) -> World:
    world.delete_store()
    return world


def gone(world: World) -> bool:
    return not world.has("BookStore", "demo")


def finish(world: World, rounds: int = 40) -> World:
    """Continue until the BookStore is gone."""
    for _ in range(rounds):
        if gone(world):
            return world
        world.step()
    raise AssertionError(world.message("Ready"))


def keeps_volume(world: World) -> bool:
    world._collect()
    world._collect()
    return world.has("PersistentVolumeClaim", "data-demo-db-0")


def test_the_finalizer_follows_the_policy() -> None:
    world = shop()
    assert world.store["metadata"]["finalizers"] == [FINAL_BACKUP]
    world.change(deletionPolicy="Retain").settle()
    assert not world.store["metadata"]["finalizers"]


def test_other_finalizers_are_left_alone() -> None:
    world = World(spec={**SPEC, "deletionPolicy": "Retain"}).settle()
    world.store["metadata"]["finalizers"] = ["others/one"]
    world.change(deletionPolicy="FinalBackup").settle()
    assert world.store["metadata"]["finalizers"] == ["others/one", FINAL_BACKUP]
    world.change(deletionPolicy="Retain").settle()
    assert world.store["metadata"]["finalizers"] == ["others/one"]


def test_a_last_backup_is_verified_before_the_database_is_deleted() -> None:
    world = delete(shop())
    world.verified = None
    world.run_until(
        lambda _: any(
            job["metadata"]["labels"]["app.kubernetes.io/component"] == "verify"
            for job in world.all("Job")
        )
    )
    world.reconcile()
    assert world.condition("Ready") == ("False", "FinalBackup")
    assert '{"deletionPolicy":"Retain"}' in world.message("Ready"), "the way out"
    assert world.replicas("blue") == 0, "nobody writes during the backup"
    assert keeps_volume(world)
    world.verified = {"command": "verify", "code": "done", "message": "Whole."}
    finish(world)
    (record,) = world.all("BookStoreBackup")
    assert record["spec"]["reason"] == "BeforeDeletion"
    assert record["status"]["phase"] == "Verified"
    assert not keeps_volume(world)
    assert world.has("PersistentVolumeClaim", "demo-backup"), "the backups are kept"


def test_without_a_backup_in_time_the_bookstore_goes_and_its_data_stays() -> None:
    world = shop()
    world.backup = None
    delete(world)
    begun = world.now
    finish(world, rounds=60)
    assert world.now - begun >= LIMIT
    assert keeps_volume(world)
    (event,) = [event for event in world.events if event.reason == "FinalBackupFailed"]
    assert "PersistentVolumeClaim data-demo-db-0" in event.message


def test_a_failed_attempt_is_repeated() -> None:
    world = shop()
    world.backup = {"command": "create", "code": "disk-full", "message": "Full."}
    delete(world)
    world.run_until(lambda _: len(world.all("BookStoreBackup")) > 1)
    world.backup = World().backup
    finish(world)
    assert not keeps_volume(world)


@pytest.mark.parametrize(("policy", "kept"), [("Retain", True), ("Delete", False)])
def test_changing_the_policy_is_the_way_out(policy: str, kept: bool) -> None:
    world = shop()
    world.backup = None
    delete(world)
    world.steps(4)
    world.change(deletionPolicy=policy)
    finish(world)
    assert keeps_volume(world) is kept


def test_paused_and_suspended_do_not_hold_a_deletion() -> None:
    world = shop()
    world.change(paused=True, backup={**SPEC["backup"], "suspend": True}).settle()
    finish(delete(world))
    assert not keeps_volume(world)


def test_a_deletion_in_the_foreground_keeps_the_volume() -> None:
    """Kubernetes deletes the server first, so no backup can be taken."""
    world = delete(shop()).lose("StatefulSet")
    finish(world)
    assert keeps_volume(world)


@pytest.mark.parametrize("actions", range(8))
def test_an_operator_killed_anywhere_in_between_ends_the_same(actions: int) -> None:
    world = delete(shop())
    for _ in range(6):
        if not gone(world):
            world.reconcile(stop_after=actions)
            world.tick()
    finish(world)
    assert not keeps_volume(world)
    assert len(world.all("BookStoreBackup")) == 1
