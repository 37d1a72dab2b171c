"""Stage Approve: who decides that users are sent to a verified release."""

from typing import Any

import pytest

from tests.support.world import World

pytestmark = pytest.mark.scenario

MANUAL = {"promotion": "Manual"}
CRASHING: dict[str, Any] = {
    "phase": "Running",
    "containerStatuses": [
        {
            "name": "api",
            "restartCount": 5,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
        }
    ],
}


def waiting(**rollout: Any) -> World:
    """Return a BookStore whose release 2 has reached stage Approve."""
    world = World().settle().change(image="api:2", rollout={**MANUAL, **rollout})
    return visit(world.reach("Approve"))


def visit(world: World, times: int = 3) -> World:
    """Let the operator and the controllers act, without letting time pass."""
    for _ in range(times):
        world.reconcile()
        world.tick()
    return world


def decide(world: World, **spec: bool) -> World:
    world.get("BookStoreRelease", "demo-r2")["spec"] |= spec
    return world


def test_a_manual_promotion_waits_for_a_person_without_a_time_limit() -> None:
    world = waiting(progressDeadlineSeconds=60)
    world.wait(30 * 86400).steps(5)
    assert world.switches == ["demo-r1"]
    assert world.condition("Ready") == ("False", "WaitingForApproval")
    assert world.condition("Stalled") == ("False", "NotStalled")
    assert world.condition("Available") == ("True", "Serving")
    assert "kubectl bookstore approve demo" in world.message("Ready")
    assert not [event for event in world.events if event.type == "Warning"]
    decide(world, approved=True).settle()
    assert world.switches == ["demo-r1", "demo-r2"]
    assert world.condition("Ready") == ("True", "Serving")


def test_an_approval_that_comes_early_counts_once_the_stage_is_reached() -> None:
    world = World().settle().change(image="api:2", rollout=MANUAL).reach("Expand")
    decide(world, approved=True).settle()
    assert world.condition("Ready") == ("True", "Serving")


def test_an_approval_is_of_one_release() -> None:
    world = decide(waiting(), approved=True).settle()
    world.change(image="api:3").reach("Approve", "demo-r3").steps(5)
    assert world.condition("Ready") == ("False", "WaitingForApproval")


def test_a_first_release_needs_no_approval() -> None:
    world = World(spec={"image": "api:1", "rollout": MANUAL}).settle()
    assert world.condition("Ready") == ("True", "Serving")


def test_a_promotion_after_a_time_happens_by_itself_or_at_once_when_approved() -> None:
    world = waiting(promotion="After", promoteAfterSeconds=300)
    begin = world.now
    assert world.condition("Ready") == ("False", "PromotionDelayed")
    world.reach("Drain")
    assert 240 <= (world.now - begin).total_seconds() <= 301
    world = waiting(promotion="After", promoteAfterSeconds=300)
    begin = world.now
    decide(world, approved=True).reach("Drain")
    assert world.now == begin


def test_a_pause_stops_the_clock_of_a_stage() -> None:
    world = waiting(promotion="After", promoteAfterSeconds=300)
    visit(visit(world.change(paused=True)).wait(3600)).change(paused=False)
    visit(world)
    assert world.switches == ["demo-r1"]
    begin = world.now
    world.reach("Drain")
    assert (world.now - begin).total_seconds() >= 240


def test_an_abort_beats_the_approval() -> None:
    world = decide(waiting(), approved=True, aborted=True).settle()
    assert world.release("demo-r2")["result"] == "Aborted"
    assert world.switches == ["demo-r1"]
    assert (world.replicas("blue"), world.replicas("green")) == (2, 0)


def test_an_abort_beats_a_pause() -> None:
    world = waiting().change(paused=True).steps(2)
    decide(world, aborted=True).settle()
    assert world.release("demo-r2")["result"] == "Aborted"
    assert (world.replicas("blue"), world.replicas("green")) == (2, 0)
    assert world.condition("Ready") == ("False", "Paused")
    world.change(paused=False).settle()
    assert world.condition("Ready") == ("False", "Aborted")


def test_a_lost_color_goes_back_to_start_and_fails_by_its_deadline() -> None:
    world = waiting(progressDeadlineSeconds=60)
    world.broken = {"api:2"}
    world.ailing["Deployment/api:2"] = CRASHING
    world.tick()
    world.step()
    assert world.release("demo-r2")["stage"] == "Start"
    world.settle()
    assert world.release("demo-r2")["result"] == "Failed"
    assert world.switches == ["demo-r1"]


def test_a_lost_color_that_comes_back_waits_for_its_approval_again() -> None:
    world = waiting()
    world.ailing["Deployment/api:2"] = CRASHING
    world.tick()
    world.step()
    assert "goes back to stage Start" in world.release("demo-r2")["message"]
    world.ailing.clear()
    world.steps(5)
    assert world.release("demo-r2")["stage"] == "Approve"
    assert world.condition("Ready") == ("False", "WaitingForApproval")


def test_the_color_follows_the_live_size_while_it_waits() -> None:
    world = waiting().change(replicas=5).steps(4)
    assert world.replicas("green") == 5
    assert world.release("demo-r2")["stage"] == "Approve"


def test_a_changed_spec_replaces_a_release_that_waits() -> None:
    world = waiting().change(image="api:3").reach("Approve", "demo-r3")
    assert world.release("demo-r2")["result"] == "Superseded"


def test_a_spec_put_back_ends_a_release_that_waits() -> None:
    world = waiting().change(image="api:1").settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert world.switches == ["demo-r1"]
    assert world.replicas("green") == 0


@pytest.mark.parametrize("stage", ["Expand", "Start"])
def test_an_abort_beats_a_pause_in_every_stage_before_the_switch(stage: str) -> None:
    world = World().settle()
    world.broken = {"api:2"}
    world.migration = None if stage == "Expand" else world.migration
    visit(visit(world.change(image="api:2").reach(stage)).change(paused=True))
    visit(decide(world, aborted=True))
    if stage == "Expand":
        assert world.release("demo-r2").get("result") is None, "the migration is not interrupted"
        world.migration = {"command": "migrate", "code": "migrated", "message": "Applied 1."}
    world.settle()
    assert world.release("demo-r2")["result"] == "Aborted"
    assert world.switches == ["demo-r1"]


def test_an_abort_that_comes_too_late_is_ignored_and_says_how_to_go_back() -> None:
    world = World().settle().change(image="api:2").reach("Drain").steps(1)
    decide(world, aborted=True).settle()
    assert world.switches == ["demo-r1", "demo-r2"]
    assert world.release("demo-r2")["result"] == "Succeeded"
    assert "kubectl bookstore rollback demo" in world.release("demo-r2")["message"]


def test_an_abort_with_nothing_in_progress_never_lowers_what_serves() -> None:
    world = World().settle()
    world.get("BookStoreRelease", "demo-r1")["spec"]["aborted"] = True
    world.settle()
    assert world.replicas("blue") == 2
    assert world.condition("Ready") == ("True", "Serving")
    assert "nothing to go back to" in world.release("demo-r1")["message"]
