"""Verify: nothing reaches users that does not work through the preview, or can't be watched."""

from typing import Any

import pytest

from bookstore_operator.core.plan import Create
from tests.support.world import World

pytestmark = pytest.mark.scenario

FAILED = {"command": "smoke", "code": "failed", "message": "read: status 500."}


def served(**watch: Any) -> World:
    spec = {"image": "api:1", "rollout": {"watch": watch}} if watch else {"image": "api:1"}
    return World(spec=spec, quick=False).settle(200)


def preview(world: World) -> dict[str, str]:
    selector: dict[str, str] = world.get("Service", "demo-preview")["spec"]["selector"]
    return selector


def test_the_preview_selects_the_new_color_from_start_until_the_switch() -> None:
    world = served()
    assert preview(world)["bookstore.dev/revision"] == "none", "between releases it selects nothing"
    world.change(image="api:2").reach("Start").step()
    assert preview(world)["bookstore.dev/revision"] == "2"
    assert preview(world)["bookstore.dev/color"] == "green"
    world.reach("Watch").step()
    assert preview(world)["bookstore.dev/revision"] == "none"


def test_the_preview_of_a_failed_release_selects_nothing() -> None:
    world = served()
    world.answers["smoke"] = FAILED
    world.change(image="api:2").settle(200)
    assert preview(world)["bookstore.dev/revision"] == "none"


def test_a_failed_smoke_test_is_repeated_then_discards_the_new_color() -> None:
    world = served()
    world.answers["smoke api:2"] = FAILED
    world.change(image="api:2").settle(200)
    release = world.release("demo-r2")
    assert (release["result"], release["reason"]) == ("Failed", "SmokeTestFailed")
    assert "read: status 500" in release["message"]
    assert world.switches == ["demo-r1"]
    assert world.replicas("green") == 0
    assert world.condition("Available") == ("True", "Serving")
    made = [a.manifest["metadata"]["name"] for a in world.done if isinstance(a, Create)]
    assert [name for name in made if "r2-smoke" in name] == [
        "demo-r2-smoke",
        "demo-r2-smoke-2",
        "demo-r2-smoke-3",
    ]


def test_the_smoke_test_uses_the_preview_and_expects_the_revision() -> None:
    world = served()
    world.change(image="api:2").run_until(lambda w: w.has("Job", "demo-r2-smoke"))
    (container,) = world.get("Job", "demo-r2-smoke")["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["smoke", "--url", "http://demo-preview", "--revision", "2"]
    assert {"staff", "tmp"} == {mount["name"] for mount in container["volumeMounts"]}


def test_no_user_is_sent_to_a_release_whose_metrics_can_not_be_read() -> None:
    world = served()
    world.traffic.unreadable["api:2"] = "the connection is refused"
    world.change(image="api:2")
    world.run_until(lambda w: w.condition("Ready") == ("False", "MetricsUnreadable"), 100)
    message = world.message("Ready")
    for word in ("connection is refused", "watch.prometheus", "watch.seconds to 0"):
        assert word in message
    world.settle(300)
    assert world.release("demo-r2")["result"] == "Failed"
    assert world.switches == ["demo-r1"]
    assert world.replicas("green") == 0


def test_metrics_that_become_readable_in_time_are_no_failure() -> None:
    world = served()
    world.traffic.unreadable["api:2"] = "it does not answer in time"
    world.change(image="api:2").reach("Verify").steps(8)
    world.traffic.unreadable.clear()
    world.settle(200)
    assert world.release("demo-r2")["result"] == "Succeeded"


def test_without_a_watch_no_metrics_are_needed() -> None:
    world = served(seconds=0)
    world.traffic.unreadable = {"api:1": "no", "api:2": "no"}
    world.change(image="api:2").settle(200)
    assert world.release("demo-r2")["result"] == "Succeeded"


def test_a_serving_color_whose_metrics_can_not_be_read_is_no_obstacle() -> None:
    world = served()
    world.traffic.unreadable["api:1"] = "it does not answer in time"
    world.change(image="api:2").reach("Watch")
    assert "baseline" not in world.release("demo-r2")


def test_an_operator_killed_in_verify_ends_at_the_same() -> None:
    world = served()
    world.change(image="api:2").reach("Verify")
    for count in range(1, 12):
        world.restart_operator()
        world.reconcile(stop_after=count % 5)
        world.step()
    world.settle(200)
    assert world.switches == ["demo-r1", "demo-r2"]
    assert world.release("demo-r2")["result"] == "Succeeded"
    made = [a.manifest["metadata"]["name"] for a in world.done if isinstance(a, Create)]
    assert made.count("demo-r2-smoke") == 1


def test_a_release_that_changes_only_the_size_of_pods_copies_the_result() -> None:
    world = served()
    world.change(resources={"limits": {"memory": "512Mi"}}).settle(200)
    assert world.release("demo-r2")["result"] == "Succeeded"
    smoke = next(c for c in world.release("demo-r2")["checks"] if c["name"] == "smoke")
    assert smoke["reusedFrom"] == "demo-r1"
    assert not world.has("Job", "demo-r2-smoke")


def test_a_bookstore_of_no_pods_is_released_without_a_smoke_test() -> None:
    world = served()
    world.change(image="api:2", replicas=0).settle(200)
    assert world.release("demo-r2")["result"] == "Succeeded"
