"""Whole lives of BookStores, in the simulated world."""

import copy
from typing import Any

import pytest

from bookstore_operator.core.plan import (
    Apply,
    Create,
    CreateSecret,
    Delete,
    Plan,
    Scale,
    WriteStatus,
)
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.decide import decide
from tests.support.backups import add_backup, add_result
from tests.support.world import MIGRATED, World

pytestmark = pytest.mark.scenario

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


def result(code: str, message: str = "It went wrong.") -> dict[str, Any]:
    return {"command": "migrate", "code": code, "message": message}


def fail_release(world: World) -> None:
    """Let the migration of api:2 fail for good."""
    world.migration = result("failed")
    world.change(image="api:2").settle()


def start_broken(world: World) -> World:
    """Let a release start whose Pods never become available."""
    world.broken = {"api:2"}
    return world.change(image="api:2").reach("Start")


@pytest.fixture
def world() -> World:
    """Return a BookStore that is ready at revision 1."""
    return World().settle()


def test_a_new_bookstore_becomes_ready() -> None:
    world = World().settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.condition("Available") == (TRUE, "Serving")
    assert world.condition("Reconciling") == (FALSE, "Settled")
    assert world.condition("Stalled") == (FALSE, "NotStalled")
    assert world.condition("DatabaseMigrated") == (TRUE, "Migrated")
    assert world.condition("BackupHealthy") == (UNKNOWN, "NotConfigured")
    assert world.release("demo-r1")["result"] == "Succeeded"
    assert world.replicas("blue") == 2
    assert not world.has("Deployment", "demo-green")
    selector = world.get("Service", "demo")["spec"]["selector"]
    assert selector["bookstore.dev/color"] == "blue"
    assert selector["bookstore.dev/revision"] == "1"
    status = world.store["status"]
    assert status["schema"] == "0001_books"
    assert status["active"]["image"] == "api:1"
    assert status["observedGeneration"] == 1
    assert all(item["observedGeneration"] == 1 for item in status["conditions"])


@pytest.mark.invariant
def test_nothing_is_written_when_all_is_settled(world: World) -> None:
    assert decide(world.snapshot(), world.now) == Plan()
    assert decide(world.wait(86400).snapshot(), world.now) == Plan()


def test_decide_does_not_change_its_snapshot(world: World) -> None:
    world.change(image="api:2", replicas=3, deletionPolicy="Delete")
    for _ in range(10):
        before = world.picture()
        decide(world.snapshot(), world.now)
        assert world.picture() == before
        world.step()


def test_nothing_serves_before_the_first_release_is_promoted() -> None:
    world = World(broken={"api:1"}).reach("Start", "demo-r1")
    for _ in range(5):
        world.reconcile()
        world.tick()
    assert not world.has("Service", "demo")
    assert world.condition("Available") == (FALSE, "NotPromoted")
    assert world.condition("Reconciling") == (TRUE, "Starting")


def test_a_changed_image_is_released_through_the_idle_color(world: World) -> None:
    world.change(image="api:2").reach("Start")
    assert world.replicas("blue") == 2
    assert world.switches == ["demo-r1"]
    world.reach("Drain")
    assert world.switches == ["demo-r1", "demo-r2"]
    assert world.replicas("blue") == world.replicas("green") == 2, "the old color is warm"
    world.step()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.condition("Reconciling") == (TRUE, "Draining")
    world.settle()
    assert world.replicas("blue") == 0
    assert world.release("demo-r1")["demotedAt"]
    assert world.release("demo-r2")["result"] == "Succeeded"
    assert world.store["status"]["active"]["color"] == "green"


def test_the_old_color_keeps_running_for_its_delay(world: World) -> None:
    world.change(image="api:2", rollout={"scaleDownDelaySeconds": 300}).reach("Drain")
    world.wait(299 - 60).step()
    assert world.replicas("blue") == 2
    world.wait(100).settle()
    assert world.replicas("blue") == 0


@pytest.mark.invariant
def test_every_release_records_its_promotion_before_it_switches(world: World) -> None:
    world.done.clear()
    world.change(image="api:2").settle()
    wrote = [
        index
        for index, action in enumerate(world.done)
        if isinstance(action, WriteStatus) and action.status.get("promotedAt")
        if action.key.name == "demo-r2"
    ]
    switched = [
        index
        for index, action in enumerate(world.done)
        if isinstance(action, Apply) and action.manifest["kind"] == "Service"
        if action.manifest["metadata"]["name"] == "demo"
    ]
    assert wrote[0] < switched[0]
    switch = world.done[switched[0]]
    assert isinstance(switch, Apply)
    assert switch.expected_resource_version


def test_releases_alternate_colors_and_old_ones_are_deleted(world: World) -> None:
    world.change(rollout={"historyLimit": 2})
    for number in range(2, 8):
        world.change(image=f"api:{number}").settle()
    assert world.switches == [f"demo-r{number}" for number in range(1, 8)]
    names = [release["metadata"]["name"] for release in world.all("BookStoreRelease")]
    assert names == ["demo-r5", "demo-r6", "demo-r7"]


# Migrations ---------------------------------------------------------------------------------


def test_a_failed_migration_leaves_the_old_color_serving(world: World) -> None:
    world.migration = result("failed", "Column exists already.")
    world.change(image="api:2").settle()
    assert world.release("demo-r2")["result"] == "Failed"
    assert world.release("demo-r2")["attempts"] == 3
    assert "Column exists already." in world.message("Stalled")
    assert world.condition("Stalled") == (TRUE, "MigrationFailed")
    assert world.condition("Ready") == (FALSE, "MigrationFailed")
    assert world.condition("Available") == (TRUE, "Serving")
    assert world.switches == ["demo-r1"]
    assert world.replicas("blue") == 2
    assert "ReleaseFailed" in {event.reason for event in world.events}


def test_a_failed_release_is_followed_by_a_new_one(world: World) -> None:
    fail_release(world)
    world.migration = MIGRATED
    world.change(image="api:3").settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.switches == ["demo-r1", "demo-r3"]


def test_reverting_and_reapplying_a_spec_retries_a_failed_release(world: World) -> None:
    world.migration = result("failed")
    world.change(image="api:2").settle().change(image="api:1").settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.condition("Stalled")[0] == FALSE
    world.migration = MIGRATED
    world.change(image="api:2").settle()
    assert world.switches == ["demo-r1", "demo-r2-a2"]
    assert world.release("demo-r2-a2")["result"] == "Succeeded"


def test_deleting_a_failed_release_retries_it(world: World) -> None:
    fail_release(world)
    assert "kubectl bookstore retry demo" in world.message("Stalled")
    world.delete_release("demo-r2")
    world.migration = MIGRATED
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.switches == ["demo-r1", "demo-r2"]


@pytest.mark.parametrize("code", ["unreachable", "authentication-failed", "locked"])
def test_an_unreachable_database_is_retried_until_it_answers(world: World, code: str) -> None:
    world.migration = result(code)
    world.change(image="api:2", rollout={"progressDeadlineSeconds": 86400})
    begin = world.now
    world.run_until(lambda w: w.has("Job", "demo-r2-expand-9"), rounds=200)
    waited = (world.now - begin).total_seconds()
    assert 10 + 20 + 40 + 80 + 160 + 3 * 300 <= waited < 2000
    assert world.release("demo-r2").get("result") is None
    jobs = [job for job in world.migrations() if "r2" in job["metadata"]["name"]]
    assert len(jobs) <= 2, "Jobs that no longer explain anything are deleted"
    world.migration = MIGRATED
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.release("demo-r2")["attempts"] >= 9


def test_a_successful_job_without_a_message_has_migrated(world: World) -> None:
    world.change(image="api:2").run_until(lambda w: w.has("Pod", "demo-r2-expand-x"))
    world.get("Pod", "demo-r2-expand-x")["status"] = {"phase": "Succeeded"}
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.condition("DatabaseMigrated")[0] == TRUE


def test_a_migration_past_its_deadline_names_the_field_of_the_limit(world: World) -> None:
    world.change(image="api:2", migration={"attempts": 1, "timeoutSeconds": 5})
    world.migration = None
    world.run_until(lambda w: w.has("Job", "demo-r2-expand"))
    job = world.get("Job", "demo-r2-expand")
    assert job["spec"]["activeDeadlineSeconds"] == 5
    late = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
    job["status"] = {"conditions": [late]}
    world.settle()
    assert "spec.migration.timeoutSeconds" in world.message("Stalled")


def test_a_running_migration_is_never_interrupted_or_doubled(world: World) -> None:
    world.migration = None
    world.change(image="api:2").run_until(lambda w: w.has("Job", "demo-r2-expand"))
    world.change(image="api:3").steps(10)
    assert not world.has("BookStoreRelease", "demo-r3")
    assert [job["metadata"]["name"] for job in world.migrations()] == [
        "demo-r1-expand",
        "demo-r2-expand",
    ]
    assert "demo-r2-expand" in world.message("Ready")
    world.migration = MIGRATED
    world.settle()
    assert world.release("demo-r2")["result"] == "Superseded"
    assert world.switches == ["demo-r1", "demo-r3"]


def test_a_release_waits_for_a_migration_that_is_not_its_own(world: World) -> None:
    job = copy.deepcopy(world.get("Job", "demo-r1-expand"))
    other = {"uid": world.store["metadata"]["uid"]}
    job["metadata"] |= {"name": "demo-r7-expand", "ownerReferences": [other]}
    del job["status"]
    world.add(job)
    world.migration = None
    world.change(image="api:2")
    world.run_until(lambda w: w.condition("Ready") == (FALSE, "MigrationInProgress"))
    assert "demo-r7-expand" in world.message("Ready")
    assert world.running_migrations() == ["demo-r7-expand"]
    world.migration = MIGRATED
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")


def test_a_job_deleted_by_hand_migrates_no_released_schema_again(world: World) -> None:
    world.lose("Job").settle()
    assert not world.migrations()


# Colors --------------------------------------------------------------------------------------


def test_an_unavailable_green_never_serves(world: World) -> None:
    world.broken = {"api:2"}
    world.change(image="api:2")
    begin = world.now
    world.settle()
    assert (world.now - begin).total_seconds() >= 600
    assert world.release("demo-r2")["result"] == "Failed"
    assert world.condition("Stalled") == (TRUE, "ProgressDeadlineExceeded")
    assert world.condition("Available") == (TRUE, "Serving")
    assert world.switches == ["demo-r1"]
    assert world.replicas("blue") == 2
    assert world.replicas("green") == 0


def test_a_first_release_past_its_deadline_is_reported_and_recovers() -> None:
    world = World(broken={"api:1"})
    world.run_until(lambda w: w.condition("Stalled") == (TRUE, "ProgressDeadlineExceeded"))
    world.broken = set()
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.condition("Stalled")[0] == FALSE


def test_a_switch_checks_availability_again(world: World) -> None:
    start_broken(world)
    world.get("BookStoreRelease", "demo-r2")["status"]["stage"] = "Switch"
    world.settle()
    assert world.switches == ["demo-r1"]


def test_a_superseded_release_is_replaced(world: World) -> None:
    start_broken(world).change(image="api:3").settle()
    assert world.release("demo-r2")["result"] == "Superseded"
    assert world.switches == ["demo-r1", "demo-r3"]
    assert world.get("BookStoreRelease", "demo-r3")["spec"]["color"] == "green"


def test_reverting_the_spec_keeps_the_active_release(world: World) -> None:
    start_broken(world).change(image="api:1").settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.switches == ["demo-r1"]
    assert world.replicas("green") == 0


def test_an_aborted_release_ends_and_the_active_one_keeps_serving(world: World) -> None:
    start_broken(world)
    world.get("BookStoreRelease", "demo-r2")["spec"]["aborted"] = True
    world.settle()
    assert world.condition("Stalled") == (TRUE, "Aborted")
    assert world.switches == ["demo-r1"]
    assert world.replicas("green") == 0


def test_the_next_release_waits_for_the_old_color_but_not_long(world: World) -> None:
    world.change(image="api:2", rollout={"scaleDownDelaySeconds": 3600}).reach("Drain")
    begin = world.now
    world.change(image="api:3").run_until(lambda w: w.has("BookStoreRelease", "demo-r3"))
    assert 20 <= (world.now - begin).total_seconds() <= 31
    world.settle(100)
    assert world.switches == ["demo-r1", "demo-r2", "demo-r3"]
    assert world.replicas("green") == 0


def slice_of(world: World) -> dict[str, Any]:
    return world.get("EndpointSlice", "demo-x")


def test_the_old_color_stays_until_users_are_sent_to_the_new_one_alone(world: World) -> None:
    world.endpoints_follow = False
    world.change(image="api:2").reach("Watch")
    old = copy.deepcopy(slice_of(world)["endpoints"])
    for _ in range(5):
        world.wait(600).step()
    assert world.replicas("blue") == 2
    assert world.condition("Ready") == (FALSE, "Switching")
    assert "endpoints of Service demo to drop the old color's Pods" in world.message("Ready")

    world.endpoints_follow = True
    world.tick()
    new = copy.deepcopy(slice_of(world)["endpoints"])
    world.endpoints_follow = False
    for partly, words in (
        ([*new, old[0]], "1 are left"),
        (new[:1], "to list the new color's Pods: 1 are"),
        ([new[0], {**new[1], "conditions": {"ready": False}}], "1 are"),
        ([], "0 are"),
    ):
        slice_of(world)["endpoints"] = partly
        world.wait(600).step()
        assert words in world.message("Ready")
        assert world.replicas("blue") == 2

    slice_of(world)["endpoints"] = new
    world.reconcile()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.condition("Reconciling") == (TRUE, "Draining")
    world.wait(29).reconcile()
    assert world.replicas("blue") == 2, "its delay counts from when users had left it"
    world.settle()
    assert world.replicas("blue") == 0
    assert world.release("demo-r2")["result"] == "Succeeded"


def test_a_pod_with_two_addresses_counts_once_and_other_services_do_not(world: World) -> None:
    world.change(image="api:2").reach("Drain")
    second = copy.deepcopy(slice_of(world))
    second["metadata"]["name"] = "demo-y"
    second["addressType"] = "IPv6"
    of_another = copy.deepcopy(second)
    of_another["metadata"]["name"] = "demo-db-x"
    of_another["metadata"]["labels"]["kubernetes.io/service-name"] = "demo-db"
    of_another["endpoints"] = [{"targetRef": {"kind": "Pod", "uid": "of the database"}}]
    world.add(second, of_another)
    world.reconcile()
    assert world.release("demo-r2")["servedAt"]


def test_endpoints_that_change_after_the_switch_revert_nothing(world: World) -> None:
    """They were the new color's alone once; Pods come and go."""
    world.change(image="api:2", rollout={"scaleDownDelaySeconds": 300}).reach("Drain")
    world.run_until(lambda w: "servedAt" in w.release("demo-r2"))
    since = world.release("demo-r2")["servedAt"]
    slice_of(world)["endpoints"] = []
    world.reconcile()
    assert world.release("demo-r2")["servedAt"] == since
    assert world.condition("Reconciling") == (TRUE, "Draining")


def test_the_next_release_replaces_one_that_broke_right_after_its_switch(
    world: World,
) -> None:
    world.endpoints_follow = False
    world.change(image="api:2").reach("Watch").change(image="api:3")
    for _ in range(5):
        world.wait(600).step()
    assert not world.has("BookStoreRelease", "demo-r3"), "users are on the color that it needs"
    world.broken = {"api:2"}
    world.endpoints_follow = True
    world.settle(100)
    assert world.switches == ["demo-r1", "demo-r2", "demo-r3"]
    assert world.condition("Ready") == (TRUE, "Serving")


def test_a_release_that_breaks_before_users_reach_it_is_reported(world: World) -> None:
    world.endpoints_follow = False
    world.change(image="api:2").reach("Watch")
    world.ailing["Deployment/api:2"] = {
        "phase": "Running",
        "containerStatuses": [
            {"name": "api", "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
        ],
    }
    world.endpoints_follow = True
    world.run_until(lambda w: w.condition("Ready") == (FALSE, "PodCrashing"))
    assert world.replicas("blue") == 2
    world.ailing.clear()
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")


def test_deleting_the_record_of_the_active_release_keeps_it_serving(world: World) -> None:
    for number in (2, 3):
        world.change(image=f"api:{number}").settle()
    assert world.store["status"]["active"]["color"] == "blue"
    selector = world.get("Service", "demo")["spec"]["selector"]
    world.broken = {"api:3"}  # as it is now, it could not be started again
    world.delete_release("demo-r3")
    for _ in range(20):
        world.step()
        assert world.get("Service", "demo")["spec"]["selector"] == selector
        assert world.replicas("blue") == 2
    world.broken = set()
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.store["status"]["active"]["color"] == "green"
    assert world.replicas("blue") == 0


def test_a_release_deleted_during_its_migration_is_recreated() -> None:
    """Its Job is collected only some time later: until then the new one's name is taken."""
    world = World(migration=None)
    world.run_until(lambda w: w.has("Job", "demo-r1-expand"))
    old = world.get("Job", "demo-r1-expand")["metadata"]["uid"]
    world.lose("BookStoreRelease")
    for _ in range(4):
        world.reconcile()
        assert world.get("Job", "demo-r1-expand")["metadata"]["uid"] == old
    world.migration = MIGRATED
    world.settle()
    assert world.get("Job", "demo-r1-expand")["metadata"]["uid"] != old
    assert world.condition("Ready") == (TRUE, "Serving")


# Replicas ------------------------------------------------------------------------------------


def test_replicas_are_scaled_in_place_and_only_by_scale(world: World) -> None:
    world.done.clear()
    world.change(replicas=5).settle()
    assert world.replicas("blue") == 5
    assert len(world.all("BookStoreRelease")) == 1
    assert [a.replicas for a in world.done if isinstance(a, Scale)] == [5]
    assert not [a for a in world.done if isinstance(a, Apply)]
    assert world.store["status"]["replicas"] == 5


def test_a_release_has_the_size_of_the_active_color_also_when_it_changes(world: World) -> None:
    world.change(image="api:2", replicas=3).reach("Start").change(replicas=7).reach("Drain")
    assert world.replicas("green") == 7
    world.settle()
    assert (world.replicas("blue"), world.replicas("green")) == (0, 7)


def test_scaling_to_zero_is_no_failure(world: World) -> None:
    world.change(replicas=0).settle()
    assert world.condition("Available") == (FALSE, "ScaledToZero")
    assert world.condition("Ready") == (TRUE, "Serving")
    world.change(image="api:2").settle()
    assert world.condition("Ready") == (TRUE, "Serving")


def test_an_autoscalers_count_survives_releases_and_is_never_set() -> None:
    world = World(spec={"image": "api:1", "autoscaling": {"minReplicas": 2, "maxReplicas": 9}})
    world.settle()
    assert world.replicas("blue") == 2
    world.get("Deployment", "demo-blue")["spec"]["replicas"] = 7
    world.settle()
    world.done.clear()
    world.change(image="api:2").settle()
    assert (world.replicas("blue"), world.replicas("green")) == (0, 7)
    target = world.get("HorizontalPodAutoscaler", "demo")["spec"]["scaleTargetRef"]
    assert target["name"] == "demo-green"
    scaled = [(a.deployment, a.replicas) for a in world.done if isinstance(a, Scale)]
    assert scaled == [("demo-green", 7), ("demo-blue", 0)]


def test_autoscaling_can_be_switched_on_and_off(world: World) -> None:
    world.change(autoscaling={"maxReplicas": 9}).settle()
    assert world.has("HorizontalPodAutoscaler", "demo")
    world.get("Deployment", "demo-blue")["spec"]["replicas"] = 6
    world.settle()
    assert world.replicas("blue") == 6
    world.change(autoscaling=None, replicas=3).settle()
    assert not world.has("HorizontalPodAutoscaler", "demo")
    assert world.replicas("blue") == 3


def test_an_autoscaler_is_lifted_off_zero_which_switches_it_off(world: World) -> None:
    world.change(replicas=0).settle()
    world.change(replicas=None, autoscaling={"minReplicas": 3, "maxReplicas": 9}).settle()
    assert world.replicas("blue") == 3


# Database --------------------------------------------------------------------------------------


def test_a_release_waits_for_the_database_and_reports_it() -> None:
    world = World(database_up=False)
    world.steps(5)
    assert world.condition("Ready") == (FALSE, "DatabaseStarting")
    assert not world.migrations()
    world.database_up = True
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")


def test_an_external_database_gets_no_server_of_its_own() -> None:
    world = World(spec={"image": "api:1", "database": {"external": {"secretName": "pg"}}})
    world.secrets["pg"] = frozenset({"uri"})
    world.settle()
    assert not world.has("StatefulSet", "demo-db")
    assert not world.has("NetworkPolicy", "demo-db")


def test_a_lost_password_is_never_recreated_while_its_volume_exists(world: World) -> None:
    del world.secrets["demo-db"]
    world.steps(5)
    assert "demo-db" not in world.secrets
    assert world.condition("Stalled") == (TRUE, "DatabaseSecretLost")
    assert "data-demo-db-0" in world.message("Stalled")
    world.lose("PersistentVolumeClaim").settle()
    assert "demo-db" in world.secrets


def test_a_volume_of_another_controller_does_not_count_as_a_lost_password(world: World) -> None:
    """Then the write of the Secret is rejected, since the name of the volume is taken."""
    del world.secrets["demo-db"]
    owner = {"kind": "ConfigMap", "name": "somebody", "uid": "uid", "controller": True}
    volume = world.get("PersistentVolumeClaim", "data-demo-db-0")
    volume["metadata"]["ownerReferences"] = [owner]

    def creates_secret() -> bool:
        actions = decide(world.snapshot(), world.now).actions
        return any(isinstance(action, CreateSecret) for action in actions)

    assert creates_secret()
    for kind, name in (("StatefulSet", "demo-db"), ("BookStore", "demo")):
        owner |= {"kind": kind, "name": name}
        assert not creates_secret()


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_deleting_keeps_or_takes_the_data(policy: str) -> None:
    backup = {"schedule": "@daily"}
    world = World(spec={"image": "api:1", "deletionPolicy": policy, "backup": backup}).settle()
    world.delete_store()
    left = {(key.kind, key.name) for key in world.objects if key.kind != "Pod"}
    claims = {
        ("PersistentVolumeClaim", "data-demo-db-0"),
        ("PersistentVolumeClaim", "demo-backup"),
    }
    kept = policy == "Retain"
    assert left == (claims if kept else set())
    assert ("demo-db" in world.secrets) is kept


@pytest.mark.parametrize(("first", "then"), [("Retain", "Delete"), ("Delete", "Retain")])
def test_the_deletion_policy_can_be_changed_later(first: str, then: str) -> None:
    backup = {"schedule": "@daily"}
    world = World(spec={"image": "api:1", "deletionPolicy": first, "backup": backup}).settle()
    world.change(deletionPolicy=then).settle()
    assert len(world.all("BookStoreRelease")) == 1
    world.delete_store()
    assert ("demo-db" in world.secrets) is (then == "Retain")
    assert bool(world.all("PersistentVolumeClaim")) is (then == "Retain")


def test_retained_data_is_used_by_a_new_bookstore_of_the_same_name(world: World) -> None:
    secret = world.secrets["demo-db"]
    world.delete_store()
    world.create_store({"image": "api:1", "deletionPolicy": "Delete"})
    world.settle()
    assert world.secrets["demo-db"] is secret
    assert world.condition("Ready") == (TRUE, "Serving")
    world.delete_store()
    assert not world.secrets


def test_a_bookstore_in_deletion_is_not_changed(world: World) -> None:
    world.change(image="api:2")
    world.store["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert decide(world.snapshot(), world.now) == Plan()


# Hands and drift ---------------------------------------------------------------------------------


def test_paused_writes_nothing_but_status(world: World) -> None:
    world.change(image="api:2", replicas=9, paused=True)
    world.done.clear()
    world.settle()
    assert world.done
    assert all(isinstance(a, WriteStatus) and a.key == world.key for a in world.done)
    assert world.condition("Reconciling") == (FALSE, "Paused")
    assert world.condition("Ready") == (FALSE, "Paused")
    world.change(paused=False).settle()
    assert world.switches[-1] == "demo-r2"


@pytest.mark.parametrize(
    "selector",
    [
        {"bookstore.dev/color": "green"},
        {"extra": "label"},
        {"bookstore.dev/revision": "7"},
    ],
)
def test_a_selector_edited_by_hand_is_repaired(world: World, selector: dict[str, str]) -> None:
    service = world.get("Service", "demo")
    selected = copy.deepcopy(service["spec"]["selector"])
    service["spec"]["selector"] |= selector
    world.reconcile()
    world.settle()
    assert world.get("Service", "demo")["spec"]["selector"] == selected
    assert world.condition("Available") == (TRUE, "Serving")


def test_serving_objects_are_repaired_when_edited_or_deleted(world: World) -> None:
    deployment = world.get("Deployment", "demo-blue")
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"
    world.lose("NetworkPolicy").settle()
    container = world.get("Deployment", "demo-blue")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "api:1"
    assert world.has("NetworkPolicy", "demo-api")
    assert len(world.all("BookStoreRelease")) == 1


def test_a_color_deleted_by_hand_comes_back_at_its_size(world: World) -> None:
    world.change(replicas=4).settle()
    world.lose("Deployment").settle()
    assert world.replicas("blue") == 4


def test_network_policies_and_backups_come_and_go_in_place(world: World) -> None:
    world.change(networkPolicy={"enabled": False}, backup={"schedule": "@daily"}).settle()
    assert not world.all("NetworkPolicy")
    assert world.has("CronJob", "demo-backup")
    assert world.condition("BackupHealthy") == (UNKNOWN, "NoBackupYet")
    world.change(backup=None).settle()
    assert not world.all("CronJob")
    assert world.has("PersistentVolumeClaim", "demo-backup"), "the dumps stay"
    assert len(world.all("BookStoreRelease")) == 1


def test_a_removed_field_is_removed_from_objects(world: World) -> None:
    limits = {"limits": {"memory": "2Gi", "cpu": "2"}}
    world.change(database={"embedded": {"resources": limits}}).settle()
    world.change(database={"embedded": {"resources": {"limits": {"memory": "2Gi"}}}}).settle()
    container = world.get("StatefulSet", "demo-db")["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"memory": "2Gi"}


def test_backup_health_follows_the_last_backup(world: World) -> None:
    world.change(backup={"schedule": "@daily"}).settle()
    assert world.condition("BackupHealthy") == ("Unknown", "NoBackupYet")
    add_result(world, add_backup(world))
    world.settle()
    assert world.condition("BackupHealthy") == (TRUE, "BackedUp")
    failed = add_backup(world, began=0)
    world.get("Job", failed)["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    world.settle()
    assert world.condition("BackupHealthy") == (FALSE, "BackupFailed")
    assert failed in world.message("BackupHealthy")


def test_each_transition_is_one_event(world: World) -> None:
    reasons = [event.reason for event in world.events]
    for stage in ("Expand", "Start", "Drain"):
        assert reasons.count(f"Stage{stage}") <= 1
    assert reasons.count("ReleaseSucceeded") == 1
    assert [e.message for e in world.events if e.message.startswith("Ready: Revision 1")]


def test_a_condition_keeps_its_time_until_its_status_changes(world: World) -> None:
    def times() -> dict[str, str]:
        conditions = world.store["status"]["conditions"]
        return {item["type"]: item["lastTransitionTime"] for item in conditions}

    before = times()
    world.wait(1000).change(replicas=5).settle()
    assert times()["Available"] == before["Available"]
    assert times()["Stalled"] == before["Stalled"]


def test_releases_are_records_that_their_model_reads_back(world: World) -> None:
    release = BookStoreRelease.model_validate(world.get("BookStoreRelease", "demo-r1"))
    assert release.spec.template()["spec"]["containers"][0]["image"] == "api:1"
    creates = [a for a in world.done if isinstance(a, Create)]
    assert {a.manifest["kind"] for a in creates} == {"BookStoreRelease", "Job"}
    assert not [a for a in world.done if isinstance(a, Delete)]
