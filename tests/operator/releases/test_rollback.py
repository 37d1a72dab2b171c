"""Going back to the release before, by one switch or by a new release."""

import copy

import pytest

from bookstore_operator.core import history
from bookstore_operator.core.gate import Passed
from bookstore_operator.core.plan import Apply, WriteStatus
from bookstore_operator.decide import decide
from bookstore_operator.releases import rollback
from bookstore_operator.releases.progress import Progress
from bookstore_operator.status.report import records
from tests.support.world import World

pytestmark = pytest.mark.scenario

TRUE, FALSE = "True", "False"


def serving_second(stage: str = "Drain") -> World:
    """Return a BookStore that serves revision 2, whose old color still runs."""
    return World().settle().change(image="api:2").reach(stage)


def breach(world: World, why: str = "5xx share 40 % is above its limit of 5 %.") -> World:
    """Let the release that serves be rolled back, as its watch does."""
    before = world.snapshot()
    failed = history.active(before)
    assert failed is not None
    after = rollback.switch_back(before, failed, why, world.now)
    for action in records(before, Progress(after, Passed())).actions:
        world._do(action)
    return world


def roll_back() -> World:
    return breach(serving_second()).settle()


def test_a_rollback_sends_users_to_the_old_color_and_says_why() -> None:
    world = roll_back()
    assert world.switches == ["demo-r1", "demo-r2", "demo-r1"]
    assert world.release("demo-r2")["result"] == "RolledBack"
    assert world.release("demo-r2")["rolledBackTo"] == "demo-r1"
    assert world.release("demo-r1")["result"] == "Succeeded"
    assert world.condition("Ready") == (FALSE, "RolledBack")
    assert world.condition("Stalled") == (TRUE, "RolledBack")
    assert world.condition("Available") == (TRUE, "Serving")
    message = world.message("Ready")
    assert "Revision 1 (demo-r1, api:1) serves" in message
    assert "40 %" in message
    assert "kubectl bookstore retry demo" in message
    assert (world.replicas("blue"), world.replicas("green")) == (2, 0)


def test_a_release_that_was_rolled_back_is_not_started_again_by_itself() -> None:
    world = roll_back()
    assert decide(world.wait(86400).snapshot(), world.now).actions == ()
    world.change(replicas=3).settle()
    assert world.condition("Ready") == (FALSE, "RolledBack")
    assert len(world.all("BookStoreRelease")) == 2


def test_the_bad_color_drains_before_it_is_scaled_to_0() -> None:
    world = breach(serving_second())
    world.step()
    assert world.replicas("green") == 2
    assert world.condition("Ready") == (FALSE, "RolledBack")
    world.settle()
    assert world.replicas("green") == 0


def test_putting_the_spec_back_settles_a_rollback() -> None:
    world = roll_back().change(image="api:1").settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.release("demo-r2")["result"] == "RolledBack", "history is kept"
    assert decide(world.snapshot(), world.now).actions == ()


def test_asking_again_after_putting_back_is_another_attempt() -> None:
    world = roll_back().change(image="api:1").settle().change(image="api:2").settle()
    assert world.switches[-1] == "demo-r2-a2"
    assert world.condition("Ready") == (TRUE, "Serving")


def test_another_spec_is_another_release() -> None:
    world = roll_back().change(image="api:3").settle()
    assert world.switches[-1] == "demo-r3"
    assert world.condition("Ready") == (TRUE, "Serving")


def test_a_person_can_ask_for_a_retry() -> None:
    world = roll_back()
    world.get("BookStoreRelease", "demo-r2")["spec"]["retry"] = True
    world.settle()
    assert world.switches[-1] == "demo-r2-a2"
    assert world.condition("Ready") == (TRUE, "Serving")
    assert len(world.all("BookStoreRelease")) == 3, "the request is answered once"


def test_the_first_record_decides_and_an_operator_killed_after_any_write_ends_the_same() -> None:
    """Killed after each write of the plan that switches back."""
    expected = roll_back()
    for count in range(12):
        world = serving_second()
        before = world.snapshot()
        failed = history.active(before)
        assert failed is not None
        after = rollback.switch_back(before, failed, "It was slow.", world.now)
        written = records(before, Progress(after, Passed())).actions
        assert [a.key.name for a in written if isinstance(a, WriteStatus)] == ["demo-r2", "demo-r1"]
        world._do(written[0])
        world.reconcile(stop_after=count)
        world.settle()
        assert world.switches == expected.switches
        assert world.condition("Ready") == (FALSE, "RolledBack")
        assert world.release("demo-r1")["rolledBackFrom"] == "demo-r2"
        assert (world.replicas("blue"), world.replicas("green")) == (2, 0)


def test_a_switch_back_is_fenced_as_a_switch() -> None:
    world = breach(serving_second())
    plan = decide(world.snapshot(), world.now)
    (service,) = (
        a for a in plan.actions if isinstance(a, Apply) and a.manifest["kind"] == "Service"
    )
    assert service.irreversible
    assert service.expected_resource_version


def test_an_older_operator_reads_the_older_release_as_the_active_one() -> None:
    """It knows no RolledBack, and goes by the newest one promoted and not demoted."""
    world = roll_back()
    releases = [r["status"] for r in world.all("BookStoreRelease")]
    promoted = [s for s in releases if s.get("promotedAt") and not s.get("demotedAt")]
    assert promoted == [world.release("demo-r1")]


def test_releases_alternate_and_leave_the_right_counts_of_pods() -> None:
    """v1, v2, v1, v2: each by putting the spec back while the other color is warm, or not."""
    world = World().settle()
    for image in ("api:2", "api:1", "api:2"):
        world.change(image=image).settle()
        assert world.condition("Ready") == (TRUE, "Serving")
        assert sorted((world.replicas("blue"), world.replicas("green"))) == [0, 2]
    assert world.store["status"]["active"]["image"] == "api:2"


def test_putting_the_spec_back_while_the_old_color_is_warm_is_one_switch() -> None:
    world = serving_second()
    begin = copy.copy(world.now)
    world.change(image="api:1").step()
    assert world.switches == ["demo-r1", "demo-r2", "demo-r1"]
    assert world.now == begin
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert not world.has("BookStoreRelease", "demo-r3")
    assert "put back" in world.release("demo-r2")["message"]
    assert (world.replicas("blue"), world.replicas("green")) == (2, 0)


def test_bad_then_back_then_good_serves_the_good_one() -> None:
    world = roll_back()
    world.change(image="api:3").settle()
    assert world.switches[-1] == "demo-r3"
    world.change(image="api:4").reach("Drain", "demo-r4")
    breach(world).settle()
    assert world.switches[-1] == "demo-r3"
    assert world.release("demo-r4")["rolledBackTo"] == "demo-r3"


def test_nothing_to_go_back_to_is_an_error_of_the_caller() -> None:
    snapshot = World().settle().snapshot()
    active = history.active(snapshot)
    assert active is not None
    assert rollback.warm(snapshot) is None
    with pytest.raises(ValueError, match="no warm release"):
        rollback.switch_back(snapshot, active, "", World().now)
