"""What a record says is true only while what it is about is there; and it outlives Jobs."""

from datetime import timedelta

import pytest

from bookstore_operator.core.plan import Create, EventType, WriteStatus
from bookstore_operator.decide import decide
from tests.support.world import MIGRATED, Object, World, migrates

pytestmark = pytest.mark.scenario

TRUE, FALSE = "True", "False"
FAILURE: Object = {"command": "migrate", "code": "failed", "message": "It went wrong."}


@pytest.fixture
def world() -> World:
    """Return a BookStore that is ready at revision 1."""
    return World().settle()


def jobs(world: World) -> list[str]:
    return [job["metadata"]["name"] for job in world.migrations()]


def lose_volume(world: World) -> World:
    """Delete the claim; the StatefulSet creates another one at once."""
    world.lose("PersistentVolumeClaim").tick()
    return world


# The database is another one ------------------------------------------------------------------


def test_a_lost_volume_is_reported_and_migrated_again_without_a_release(world: World) -> None:
    world.migration = None
    lose_volume(world).run_until(lambda w: w.has("Job", "demo-r1-expand-2"))
    world.steps(3)
    assert world.condition("Ready") == (FALSE, "DatabaseReplaced")
    assert world.condition("DatabaseMigrated") == (FALSE, "DatabaseReplaced")
    assert "data-demo-db-0 is another PersistentVolumeClaim" in world.message("Ready")
    warnings = {e.reason for e in world.events if e.type is EventType.WARNING}
    assert warnings == {"DatabaseReplaced"}
    world.migration = MIGRATED
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.condition("DatabaseMigrated") == (TRUE, "Migrated")
    assert "restore a backup" in world.message("DatabaseMigrated")
    assert world.switches == ["demo-r1"]
    assert len(world.all("BookStoreRelease")) == 1
    world.steps(5)
    assert jobs(world) == ["demo-r1-expand", "demo-r1-expand-2"], "once for each database"


def test_another_external_database_is_migrated_and_another_password_is_not() -> None:
    world = World(spec={"image": "api:1", "database": {"external": {"secretName": "pg"}}})
    world.secrets["pg"] = frozenset({"uri"})
    world.settle()
    assert jobs(world) == ["demo-r1-expand"]
    world.servers["pg"] = "another host"
    world.settle()
    assert jobs(world) == ["demo-r1-expand", "demo-r1-expand-2"]
    assert "Secret pg names another database" in str([e.message for e in world.events])
    assert world.condition("Ready") == (TRUE, "Serving")


@pytest.mark.parametrize("stage", ["Expand", "Start", "Switch", "Drain"])
def test_a_release_in_progress_migrates_the_new_database(world: World, stage: str) -> None:
    world.broken = {"api:2"}
    world.change(image="api:2").reach(stage if stage in {"Expand", "Start"} else "Start")
    if stage in {"Switch", "Drain"}:
        world.broken = set()
        world.reach("Drain")
    lose_volume(world)
    world.broken = set()
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    claim = world.get("PersistentVolumeClaim", "data-demo-db-0")["metadata"]["uid"]
    assert world.release("demo-r2")["database"] == claim
    assert world.switches[-1] == "demo-r2"


def test_a_migration_of_a_lost_volume_that_fails_is_retried_for_ever(world: World) -> None:
    """The release serves already: it can't fail."""
    world.migration = FAILURE
    lose_volume(world).run_until(lambda w: w.has("Job", "demo-r1-expand-7"), rounds=200)
    assert world.release("demo-r1")["result"] == "Succeeded"
    assert world.condition("Stalled") == (TRUE, "MigrationRetry")
    assert "It went wrong" in world.message("Stalled")
    world.migration = MIGRATED
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")


def test_a_failed_release_does_not_keep_a_lost_volume_from_being_migrated(world: World) -> None:
    world.migration = FAILURE
    world.change(image="api:2").settle()
    assert world.release("demo-r2")["result"] == "Failed"
    world.migration = MIGRATED
    lose_volume(world).settle()
    assert "demo-r1-expand-2" in jobs(world)
    assert world.condition("DatabaseMigrated")[0] == FALSE, "the release has failed"
    assert world.release("demo-r1")["databaseReplacedAt"]


def test_a_record_of_an_older_operator_is_completed_without_a_migration(world: World) -> None:
    for release in world.all("BookStoreRelease"):
        for name in ("database", "lastAttempt", "failedAttempts"):
            release["status"].pop(name, None)
    world.settle()
    assert jobs(world) == ["demo-r1-expand"]
    claim = world.get("PersistentVolumeClaim", "data-demo-db-0")["metadata"]
    assert world.release("demo-r1")["database"] == claim["uid"]
    del world.get("BookStoreRelease", "demo-r1")["status"]["database"]
    claim["creationTimestamp"] = (world.now + timedelta(days=1)).isoformat()
    world.settle()
    assert jobs(world) == ["demo-r1-expand", "demo-r1-expand-2"], "its volume is newer"


def test_the_documented_way_out_of_a_lost_password_works(world: World) -> None:
    """The StatefulSet creates the claim again at once: that one needs no old password."""
    del world.secrets["demo-db"]
    world.steps(5)
    assert "kubectl delete pvc data-demo-db-0" in world.message("Stalled")
    lose_volume(world)
    assert world.has("PersistentVolumeClaim", "data-demo-db-0")
    world.settle()
    assert "demo-db" in world.secrets
    assert world.condition("Ready") == (TRUE, "Serving")
    assert jobs(world)[-1] == "demo-r1-expand-2"


def test_a_claim_that_its_pod_keeps_from_being_deleted_stops_the_server(world: World) -> None:
    del world.secrets["demo-db"]
    world.steps(5)
    claim = world.get("PersistentVolumeClaim", "data-demo-db-0")["metadata"]
    old = claim["uid"]
    claim["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.reconcile()
    assert world.get("StatefulSet", "demo-db")["spec"]["replicas"] == 0
    assert "to be deleted" in world.message("Ready")
    world.settle()
    assert world.get("PersistentVolumeClaim", "data-demo-db-0")["metadata"]["uid"] != old
    assert world.get("StatefulSet", "demo-db")["spec"]["replicas"] == 1
    assert world.condition("Ready") == (TRUE, "Serving")


# Attempts outlive their Jobs --------------------------------------------------------------------


def test_attempts_count_though_a_policy_deletes_each_job_that_has_ended(world: World) -> None:
    world.migration = FAILURE
    world.change(image="api:2")
    begin = world.now
    for _ in range(100):
        world.step()
        world.objects = {
            key: obj
            for key, obj in world.objects.items()
            if not migrates(obj) or "conditions" not in obj.get("status", {})
        }
        world.tick()
    created = [a.manifest["metadata"]["name"] for a in world.done if isinstance(a, Create)]
    made = [name for name in created if name.startswith("demo-r2-expand")]
    assert made == ["demo-r2-expand", "demo-r2-expand-2", "demo-r2-expand-3"]
    assert (world.now - begin).total_seconds() >= 10 + 20
    assert world.condition("Stalled") == (TRUE, "MigrationFailed")


def test_an_attempt_is_recorded_before_its_job_is_created(world: World) -> None:
    world.done.clear()
    world.change(image="api:2").settle()
    job = next(
        index
        for index, action in enumerate(world.done)
        if isinstance(action, Create) and migrates(dict(action.manifest))
    )
    recorded = [
        action.status
        for action in world.done[:job]
        if isinstance(action, WriteStatus) and action.key.name == "demo-r2"
    ]
    assert recorded[-1]["attempts"] == 1
    assert recorded[-1]["lastAttempt"]["startedAt"]
    assert not recorded[-1]["lastAttempt"]["created"]


def test_a_running_job_deleted_by_hand_is_a_failed_attempt_and_retried(world: World) -> None:
    world.migration = None
    world.change(image="api:2").run_until(lambda w: w.has("Job", "demo-r2-expand")).step()
    world.lose("Job").reconcile()
    assert "deleted before its result was read" in world.message("Ready")
    assert not world.has("Job", "demo-r2-expand-2"), "not at once"
    world.migration = MIGRATED
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.release("demo-r2")["attempts"] == 2


def test_a_job_that_was_never_created_is_no_attempt(world: World) -> None:
    """The operator was killed, or rejected, between the record and the Job."""
    world.change(image="api:2").reconcile()
    for _ in range(3):
        plan = decide(world.snapshot(), world.now)
        index = next(i for i, a in enumerate(plan.actions) if isinstance(a, Create))
        world.reconcile(stop_after=index)
        assert not world.has("Job", "demo-r2-expand")
        world.wait(11)
    world.settle()
    assert world.release("demo-r2")["attempts"] == 1
    assert world.release("demo-r2").get("failedAttempts", 0) == 0
