"""The API server's failures do not use up the deadline of a release."""

import json
from datetime import timedelta

import pytest

from bookstore_operator.core.plan import ObjectRef
from bookstore_operator.core.snapshot import Cause, Rejection
from tests.support.world import BEGIN, World

pytestmark = pytest.mark.scenario

DOWN = 'Internal error occurred: failed calling webhook "check.example": 500'
GREEN = ObjectRef("apps/v1", "Deployment", "demo-green")
CRON_JOB = ObjectRef("batch/v1", "CronJob", "demo-backup")
DEADLINE = 60


def releasing() -> World:
    """Return a BookStore whose release 2 never becomes available."""
    world = World(spec={"image": "api:1", "rollout": {"progressDeadlineSeconds": DEADLINE}})
    world.settle()
    world.broken.add("api:2")
    return world.change(image="api:2").reach("Start")


def fail(world: World, target: ObjectRef = GREEN, cause: Cause = Cause.FAILED) -> None:
    world.rejection = Rejection(target, "InternalError", DOWN, cause, since=world.now)


@pytest.mark.parametrize("cause", [Cause.FAILED, Cause.REJECTED])
def test_a_release_is_not_failed_by_a_webhook_that_is_down(cause: Cause) -> None:
    world = releasing().wait(DEADLINE / 2)
    fail(world, cause=cause)
    world.steps(3)
    assert world.release("demo-r2")["heldSince"]
    quiet = len(world.done)
    for _ in range(5):
        world.wait(10 * DEADLINE).reconcile()
    assert world.release("demo-r2").get("result") is None
    assert world.condition("Ready") == ("False", "WebhookFailed")
    assert "check.example" in world.message("Ready")
    assert len(world.done) == quiet, "nothing is written while it lasts"

    world.rejection = None
    world.reconcile()
    assert "heldSince" not in world.release("demo-r2")
    assert world.release("demo-r2").get("result") is None, "half of its time is left"
    world.wait(DEADLINE / 2 - 5).reconcile()
    assert world.release("demo-r2").get("result") is None
    world.wait(10).steps(2)
    assert world.release("demo-r2")["result"] == "Failed"
    assert world.condition("Ready") == ("False", "ProgressDeadlineExceeded")


def test_an_operator_that_restarts_meanwhile_does_not_fail_the_release() -> None:
    world = releasing().wait(DEADLINE / 2)
    fail(world)
    world.steps(2)
    for _ in range(3):
        world.wait(10 * DEADLINE)
        world.rejection = None  # a new process knows of none
        world.reconcile()
        assert world.release("demo-r2").get("result") is None
        fail(world)  # its first write fails
        world.reconcile()
    assert world.condition("Ready") == ("False", "WebhookFailed")


def test_a_failure_that_no_release_waits_for_stops_no_clock() -> None:
    world = releasing()
    world.change(backup={"schedule": "0 3 * * *"})
    fail(world, CRON_JOB)
    world.reconcile(stop_after=1)
    assert "heldSince" not in world.release("demo-r2")
    world.lose("CronJob").wait(DEADLINE + 5).reconcile()
    assert world.release("demo-r2")["result"] == "Failed"


def test_a_release_completes_after_a_failure() -> None:
    world = releasing()
    fail(world)
    world.steps(3)
    world.rejection = None
    world.broken.clear()
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert "heldSince" not in world.release("demo-r2")


def test_a_webhook_that_keeps_pods_from_being_created_fails_no_release() -> None:
    """The Deployment was written; it is its Pods that the API server can't create."""
    world = releasing()
    world.broken.clear()
    world.refused["Deployment/api:2"] = f"pods is forbidden: {DOWN}"
    world.steps(4)
    assert world.release("demo-r2")["heldSince"]
    world.wait(10 * DEADLINE).steps(2)
    assert world.release("demo-r2").get("result") is None
    assert world.condition("Ready") == ("False", "WebhookFailed")
    assert "check.example" in world.message("Ready")
    world.refused.clear()
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")


@pytest.mark.parametrize("at", ["2026-01-02T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("stage", ["Start", "Drain"])
def test_recorded_times_that_are_later_than_now_hold_up_nothing(stage: str, at: str) -> None:
    """The clock was set back, another leader's was ahead, or somebody has edited the record."""
    world = World(spec={"image": "api:1", "rollout": {"progressDeadlineSeconds": DEADLINE}})
    world.settle().change(image="api:2").reach(stage)
    for release in world.all("BookStoreRelease"):
        status = release["status"]
        status |= {name: at for name in status if name.endswith("At")}
        status.get("lastAttempt", {}).update(startedAt=at)
    world.settle().change(image="api:3").settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert world.release("demo-r3")["result"] == "Succeeded"
    assert world.now < BEGIN + timedelta(minutes=10)
    for release in world.all("BookStoreRelease"):
        recorded = json.dumps(release["status"])
        assert at not in recorded


def test_a_deadline_of_the_future_begins_now() -> None:
    world = releasing()
    world.release("demo-r2")["stageStartedAt"] = "2027-01-01T00:00:00Z"
    world.steps(2).wait(DEADLINE + 1).steps(2)
    assert world.release("demo-r2")["result"] == "Failed"


def test_times_before_the_calendar_are_read() -> None:
    world = World().settle()
    status = world.release("demo-r1")
    status |= {name: "0001-01-01T00:00:00+14:00" for name in status if name.endswith("At")}
    world.change(image="api:2").settle()
    assert world.condition("Ready") == ("True", "Serving")
