"""Stage Expand: when a Job is made, when it is cancelled, how long is waited."""

from datetime import UTC, datetime, timedelta

import pytest

from bookstore_operator.core.plan import Delete
from bookstore_operator.crd.attempts import MigrationAttempt
from bookstore_operator.releases.attempts import retry_delay
from tests.support.cases.failures import UNPULLABLE, running, unscheduled
from tests.support.world import MIGRATED, Object, World

pytestmark = pytest.mark.scenario

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOCKED: Object = {"command": "migrate", "code": "locked", "message": "Locked."}
FAILED: Object = {"command": "migrate", "code": "failed", "message": "No."}


@pytest.fixture
def world() -> World:
    return World(spec={"image": "api:1"}).settle()


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (60, 300)]
)
def test_the_delay_before_a_retry_doubles_up_to_five_minutes(attempt: int, seconds: int) -> None:
    last = MigrationAttempt(number=attempt, started_at=NOW)
    assert retry_delay(last) == timedelta(seconds=seconds)


# A Job whose Pod never ran ---------------------------------------------------------------------


def stuck(world: World, status: Object = UNPULLABLE, image: str = "api:2") -> World:
    """Let a release wait for a migration whose Pod has this status."""
    world.ailing[f"Job/{image}"] = status
    world.change(image=image)
    return world.run_until(lambda w: w.has("Pod", "demo-r2-expand-x"))


@pytest.mark.parametrize("status", [UNPULLABLE, unscheduled("no node")], ids=["pull", "schedule"])
def test_correcting_the_image_cancels_a_migration_that_never_ran(
    world: World, status: Object
) -> None:
    begun = stuck(world, status).now
    world.change(image="api:3").run_until(lambda w: w.has("Job", "demo-r3-expand"))
    assert (world.now - begun).total_seconds() < 10
    assert not world.has("Job", "demo-r2-expand")
    assert world.release("demo-r2")["result"] == "Superseded"
    assert world.release("demo-r2")["lastAttempt"]["endedAt"]
    world.settle()
    assert world.switches == ["demo-r1", "demo-r3"]


def test_reverting_the_spec_cancels_a_migration_that_never_ran(world: World) -> None:
    begun = stuck(world).now
    world.change(image="api:1").settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert not world.has("Job", "demo-r2-expand")
    assert (world.now - begun).total_seconds() < 10
    assert world.switches == ["demo-r1"]


def test_aborting_cancels_a_migration_that_never_ran(world: World) -> None:
    stuck(world)
    world.get("BookStoreRelease", "demo-r2")["spec"]["aborted"] = True
    world.run_until(lambda w: w.release("demo-r2").get("result") == "Aborted", rounds=5)
    assert not world.has("Job", "demo-r2-expand")
    assert world.release("demo-r2")["reason"] == "Aborted"


def test_a_cancelled_job_is_deleted_only_as_it_was_observed(world: World) -> None:
    stuck(world)
    world.change(image="api:3")
    plan = world.reconcile(stop_after=0)
    (delete,) = [action for action in plan.actions if isinstance(action, Delete)]
    job = world.get("Job", "demo-r2-expand")
    assert delete.resource_version == job["metadata"]["resourceVersion"]
    assert [ref.name for ref in delete.reads] == ["demo-r2-expand-x"], "its Pod is read live"
    assert plan.irreversible


def test_a_pod_that_starts_just_then_is_waited_for(world: World) -> None:
    stuck(world)
    world.change(image="api:3")
    world.reconcile(stop_after=0)  # the deletion is rejected: the Pod has changed
    world.ailing["Job/api:2"] = running()
    world.tick()
    world.steps(3)
    assert world.has("Job", "demo-r2-expand")
    assert not world.has("BookStoreRelease", "demo-r3")
    assert "a running migration is not interrupted" in world.message("Ready")
    world.ailing.clear()
    world.settle()
    assert world.switches == ["demo-r1", "demo-r3"]


@pytest.mark.parametrize(
    "status",
    [running(), running(ended="boom")],
    ids=["running", "restarted"],
)
def test_a_migration_that_has_run_is_never_cut_short(world: World, status: Object) -> None:
    stuck(world, status)
    world.change(image="api:3").steps(5)
    assert world.has("Job", "demo-r2-expand")
    assert not world.has("BookStoreRelease", "demo-r3")


def test_a_sidecar_that_runs_does_not_count_as_the_migration(world: World) -> None:
    status = UNPULLABLE["containerStatuses"] + running()["containerStatuses"]
    containers = [{**status[0]}, {**status[1], "name": "istio-proxy"}]
    stuck(world, {"phase": "Pending", "containerStatuses": containers})
    world.change(image="api:1").settle()
    assert not world.has("Job", "demo-r2-expand")


def test_a_job_without_a_pod_is_cancelled_but_not_one_whose_pod_is_not_observed_yet(
    world: World,
) -> None:
    world.migration = None
    world.change(image="api:2").run_until(lambda w: w.has("Job", "demo-r2-expand"))
    world.get("Job", "demo-r2-expand")["status"] = {"active": 1}
    world.change(image="api:1").reconcile()
    assert world.has("Job", "demo-r2-expand"), "its Pod exists"
    world.get("Job", "demo-r2-expand")["status"] = {}
    world.reconcile()
    assert not world.has("Job", "demo-r2-expand")


# Nothing to find out ---------------------------------------------------------------------------


def test_a_release_of_the_same_image_makes_no_job(world: World) -> None:
    world.migration = FAILED
    world.change(resources={"limits": {"memory": "512Mi"}}).settle()
    assert world.switches == ["demo-r1", "demo-r2"]
    assert [job["metadata"]["name"] for job in world.all("Job") if "r2" in str(job)] == []
    assert world.release("demo-r2")["schema"] == ["0001_books"]
    assert world.release("demo-r2")["database"] == world.release("demo-r1")["database"]
    assert world.store["status"]["schema"] == "0001_books"
    assert world.condition("DatabaseMigrated")[0] == "True"


def test_a_release_of_the_same_image_on_another_database_migrates_it() -> None:
    world = World(spec={"image": "api:1", "database": {"external": {"secretName": "books"}}})
    world.secrets |= {"books": frozenset({"uri"}), "others": frozenset({"uri"})}
    world.settle()
    world.change(database={"external": {"secretName": "others"}}).settle()
    assert world.has("Job", "demo-r2-expand")
    assert world.release("demo-r2")["database"] == "others"


def test_a_release_of_the_same_image_after_a_failed_one_makes_no_job(world: World) -> None:
    """The newer expand is additive: the code that serves works with it."""
    world.broken.add("api:2")
    world.change(image="api:2").settle()
    assert world.release("demo-r2")["result"] == "Failed"
    world.change(image="api:1", config={"docs": False}).settle()
    assert not world.has("Job", "demo-r3-expand")
    assert world.switches == ["demo-r1", "demo-r3"]


# Deadlines -------------------------------------------------------------------------------------


def late(world: World) -> None:
    world.run_until(lambda w: w.condition("Stalled")[0] == "True", rounds=200)


def test_a_release_that_waits_too_long_for_the_database_fails(world: World) -> None:
    world.database_up = False
    world.tick()
    begun = world.change(image="api:2").now
    late(world)
    assert 600 <= (world.now - begun).total_seconds() < 700
    assert world.release("demo-r2")["result"] == "Failed"
    assert world.condition("Ready") == ("False", "ProgressDeadlineExceeded")
    assert "Waiting for PostgreSQL (StatefulSet demo-db)" in world.message("Ready")
    assert world.condition("Available") == ("True", "Serving")


def test_a_first_release_that_waits_too_long_is_stalled_and_keeps_trying() -> None:
    world = World(database_up=False)
    late(world)
    assert world.condition("Ready") == ("False", "DatabaseStarting")
    assert world.release("demo-r1").get("result") is None
    world.database_up = True
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("Stalled")[0] == "False"


def test_a_release_that_waits_too_long_for_a_secret_fails(world: World) -> None:
    world.change(image="api:2", staff={"secretName": "clerks"})
    late(world)
    assert world.release("demo-r2")["result"] == "Failed"
    assert "There is no Secret clerks" in world.message("Ready")


def test_a_release_that_waits_too_long_for_another_migration_fails(world: World) -> None:
    other = {**world.get("Job", "demo-r1-expand"), "status": {"active": 1}}
    uid = world.store["metadata"]["uid"]
    metadata = {**other["metadata"], "name": "demo-r7-expand", "ownerReferences": [{"uid": uid}]}
    world.add({**other, "metadata": metadata})
    world.migration = None
    world.change(image="api:2")
    late(world)
    assert world.release("demo-r2")["result"] == "Failed"
    assert "demo-r7-expand" in world.message("Ready")
    assert world.running_migrations() == ["demo-r7-expand"]


def test_a_lock_that_is_held_too_long_fails_the_release(world: World) -> None:
    world.migration = LOCKED
    begun = world.change(image="api:2").now
    late(world)
    assert 600 <= (world.now - begun).total_seconds() < 1000
    assert world.release("demo-r2")["result"] == "Failed"
    assert "failed: Locked." in world.message("Ready")
    assert not world.running_migrations()


def test_a_long_migration_does_not_use_up_the_time_for_waiting(world: World) -> None:
    world.migration = None
    world.change(image="api:2", migration={"timeoutSeconds": 7200, "attempts": 3})
    world.run_until(lambda w: w.has("Job", "demo-r2-expand"))
    world.wait(3600)
    world.migration = FAILED
    world.run_until(lambda w: w.has("Job", "demo-r2-expand-2"))
    world.migration = MIGRATED
    world.settle()
    assert world.switches == ["demo-r1", "demo-r2"]


def test_a_secret_lost_in_a_long_migration_can_still_be_restored() -> None:
    world = World(spec={"image": "api:1", "staff": {"secretName": "clerks"}})
    world.secrets["clerks"] = frozenset({"token"})
    world.settle()
    world.migration = None
    world.change(image="api:2").run_until(lambda w: w.has("Job", "demo-r2-expand"))
    del world.secrets["clerks"]
    world.wait(3000)
    world.migration = MIGRATED
    world.steps(4)
    assert world.condition("Ready") == ("False", "StaffSecretMissing")
    late(world)
    assert world.release("demo-r2")["result"] == "Failed"
    assert "There is no Secret clerks" in world.message("Ready")


def test_a_success_that_is_seen_only_as_the_job_is_deleted_counts(world: World) -> None:
    """A policy deletes Jobs as they end: the cache keeps their last states for a while."""
    world.change(image="api:2").run_until(lambda w: w.has("Pod", "demo-r2-expand-x"))
    job = world.get("Job", "demo-r2-expand")
    job["metadata"]["deletionTimestamp"] = job["metadata"]["creationTimestamp"]
    world.reconcile()
    world.lose("Job").settle()
    assert world.release("demo-r2")["attempts"] == 1
    assert world.release("demo-r2")["lastAttempt"]["succeeded"]
    assert world.switches == ["demo-r1", "demo-r2"]
