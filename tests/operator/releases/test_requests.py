"""Rollbacks that people ask for: `spec.rollback` of an older release."""

import pytest

from bookstore_operator.core.plan import Create
from bookstore_operator.decide import decide
from tests.support.world import CURRENT, World

pytestmark = pytest.mark.scenario

TRUE, FALSE = "True", "False"


def ask(world: World, name: str = "demo-r1", **spec: bool) -> World:
    world.get("BookStoreRelease", name)["spec"] |= spec or {"rollback": True}
    return world


def second() -> World:
    """Return a BookStore that serves revision 2 and whose old color is free."""
    return World().settle().change(image="api:2").settle()


def images(world: World) -> tuple[str, int, int]:
    """Return what serves, and how many Pods the colors have."""
    active = str(world.store["status"]["active"]["image"])
    fewer, more = sorted((world.replicas("blue"), world.replicas("green")))
    return active, fewer, more


def test_a_warm_rollback_is_one_switch() -> None:
    world = World().settle().change(image="api:2").reach("Drain")
    begin = world.now
    ask(world).step()
    assert world.switches == ["demo-r1", "demo-r2", "demo-r1"]
    assert world.now == begin
    world.settle()
    assert world.release("demo-r2")["result"] == "RolledBack"
    assert world.release("demo-r1")["rollback"]["state"] == "Switched"
    assert world.get("BookStoreRelease", "demo-r1")["spec"]["rollback"] is False
    assert world.condition("Ready") == (FALSE, "RolledBack")
    assert images(world) == ("api:1", 0, 2)


def test_a_cold_rollback_is_a_new_release_that_overrules_the_spec() -> None:
    world = ask(second()).settle()
    assert world.switches == ["demo-r1", "demo-r2", "demo-r3"]
    spec = world.get("BookStoreRelease", "demo-r3")["spec"]
    assert (spec["rollbackOf"], spec["overrides"]) == ("demo-r1", "demo-r2")
    assert spec["intent"]["image"] == "api:1"
    assert world.release("demo-r1")["rollback"]["state"] == "Released"
    assert world.release("demo-r1")["rollback"]["release"] == "demo-r3"
    assert world.condition("Ready") == (FALSE, "RolledBack")
    assert world.condition("Available") == (TRUE, "Serving")
    assert "demo-r2" in world.message("Ready")
    assert images(world) == ("api:1", 0, 2)
    assert decide(world.wait(86400).snapshot(), world.now).actions == (), "it stays"


def test_a_rollback_is_answered_once_and_does_not_hit_a_later_release() -> None:
    world = ask(second()).settle().change(image="api:3").settle()
    assert world.switches[-1] == "demo-r4"
    assert world.condition("Ready") == (TRUE, "Serving")
    assert images(world) == ("api:3", 0, 2)


def test_a_spec_put_back_settles_a_cold_rollback() -> None:
    world = ask(second()).settle().change(image="api:1").settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.switches == ["demo-r1", "demo-r2", "demo-r3"]


def test_a_retry_releases_what_the_spec_asks_for() -> None:
    world = ask(second()).settle()
    ask(world, "demo-r3", retry=True).settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert images(world) == ("api:2", 0, 2)
    assert world.get("BookStoreRelease", "demo-r4")["spec"].get("overrides") is None


def test_a_rollback_can_be_asked_for_again() -> None:
    world = ask(second()).settle().change(image="api:3").settle()
    ask(world).settle()
    assert images(world) == ("api:1", 0, 2)
    assert world.condition("Ready") == (FALSE, "RolledBack")


def test_a_rollback_beats_a_release_in_progress() -> None:
    world = second()
    world.broken = {"api:3"}
    world.change(image="api:3").reach("Start", "demo-r3")
    ask(world).settle()
    assert world.release("demo-r3")["result"] == "Aborted"
    assert world.get("BookStoreRelease", "demo-r4")["spec"]["overrides"] == "demo-r3"
    assert images(world) == ("api:1", 0, 2)


def test_going_back_to_what_serves_ends_the_release_in_progress() -> None:
    world = second()
    world.broken = {"api:3"}
    world.change(image="api:3").reach("Start", "demo-r3")
    ask(world, "demo-r2").settle()
    assert world.switches == ["demo-r1", "demo-r2"]
    assert world.release("demo-r3")["result"] == "Aborted"
    assert world.release("demo-r2")["rollback"]["state"] == "Switched"


def test_a_release_that_never_served_is_refused() -> None:
    world = second()
    world.broken = {"api:3"}
    world.change(image="api:3").settle()
    ask(world, "demo-r3").settle()
    assert world.release("demo-r3")["rollback"]["state"] == "Refused"
    assert "never served" in world.release("demo-r3")["rollback"]["message"]
    assert images(world) == ("api:2", 0, 2)


def test_a_spec_that_changes_at_the_same_moment_is_begun_and_overruled() -> None:
    world = ask(second().change(image="api:3")).settle()
    assert images(world) == ("api:1", 0, 2)
    assert world.release("demo-r3")["result"] == "Aborted"
    assert world.condition("Ready") == (FALSE, "RolledBack")


def test_a_rollback_that_is_itself_aborted_leaves_what_serves() -> None:
    world = second()
    world.broken = {"api:1"}
    ask(world).reach("Start", "demo-r3")
    ask(world, "demo-r3", aborted=True).settle()
    assert world.switches == ["demo-r1", "demo-r2"]
    assert world.condition("Ready") == (TRUE, "Serving"), "the spec asks for what serves"


@pytest.mark.parametrize("count", range(14))
def test_an_operator_killed_after_any_write_goes_back_once(count: int) -> None:
    for begin in (second, lambda: World().settle().change(image="api:2").reach("Drain")):
        world = ask(begin())
        world.reconcile(stop_after=count)
        world.settle()
        assert images(world) == ("api:1", 0, 2)
        assert len(world.all("BookStoreRelease")) <= 3
        assert world.get("BookStoreRelease", "demo-r1")["spec"]["rollback"] is False
        assert world.condition("Ready") == (FALSE, "RolledBack")


def test_the_overruled_release_is_kept_as_long_as_it_is_overruled() -> None:
    world = ask(second().change(rollout={"historyLimit": 2}).settle()).settle()
    for _ in range(4):  # attempts at the same revision make history
        world.get("BookStoreRelease", "demo-r1")["spec"]["rollback"] = True
        world.settle()
    assert world.has("BookStoreRelease", "demo-r2")


def test_a_cold_rollback_is_gated_by_the_check_of_its_own_image() -> None:
    world = second()
    world.answers["check-schema api:1"] = {
        **CURRENT,
        "code": "incompatible",
        "message": "Column books.title is gone.",
    }
    ask(world).settle()
    assert images(world) == ("api:2", 0, 2)
    assert world.release("demo-r3")["result"] == "Failed"
    assert "Column books.title is gone" in world.release("demo-r3")["message"]
    warnings = [e.message for e in world.events if e.reason == "ReleaseFailed"]
    assert "Column books.title is gone" in warnings[0]
    assert not [pod for pod in world.all("Pod") if pod["metadata"]["name"] == "demo-blue-0"]


def test_a_rollback_that_failed_leaves_a_bookstore_ready_that_serves_its_spec() -> None:
    world = second()
    world.broken = {"api:1"}
    ask(world).settle()
    assert world.release("demo-r3")["result"] == "Failed"
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.condition("Stalled") == (FALSE, "NotStalled")
    assert decide(world.wait(86400).snapshot(), world.now).actions == (), "it stays"
    world.change(image="api:3").settle()
    assert images(world) == ("api:3", 0, 2)


def test_newer_schemas_that_the_older_code_works_on_are_no_obstacle() -> None:
    world = second()
    world.answers["check-schema api:1"] = {**CURRENT, "code": "ahead"}
    ask(world).settle()
    assert images(world) == ("api:1", 0, 2)


def test_a_first_install_has_nothing_to_go_back_to() -> None:
    world = ask(World().settle()).settle()
    assert world.release("demo-r1")["rollback"]["state"] == "Switched", "it serves already"
    assert world.condition("Ready") == (TRUE, "Serving")


def test_putting_the_spec_back_when_cold_names_the_release_that_it_goes_back_to() -> None:
    world = second().change(image="api:1")
    created = [a for a in decide(world.snapshot(), world.now).actions if isinstance(a, Create)]
    assert created[0].manifest["spec"]["rollbackOf"] == "demo-r1"
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
