"""Drain and Warm: the old color stays for its clients, and for a rollback."""

from datetime import timedelta

import pytest

from tests.support.world import World

pytestmark = pytest.mark.scenario


def drained(**rollout: object) -> World:
    """Return a BookStore whose second release was watched, and drains."""
    world = World(spec={"image": "api:1", "rollout": rollout}, quick=False).settle(200)
    return world.change(image="api:2").reach("Drain")


def test_the_old_color_drains_until_its_connections_are_gone() -> None:
    world = World(spec={"image": "api:1"}, quick=False).settle(200)
    world.traffic.connections["api:1"] = 3
    world.change(image="api:2").reach("Drain")
    for _ in range(20):
        world.step()
    assert world.release("demo-r2")["stage"] == "Drain"
    assert world.condition("Reconciling") == ("True", "Draining")
    assert "6 connections of clients" in world.message("Reconciling")
    assert world.condition("Ready") == ("True", "Serving")
    world.traffic.connections["api:1"] = 0
    world.reach("Warm")


def test_connections_that_are_never_closed_end_the_drain_at_its_bound() -> None:
    world = World(spec={"image": "api:1"}, quick=False).settle(200)
    world.traffic.connections["api:1"] = 3
    world.change(image="api:2").reach("Drain")
    begin = world.now
    world.run_until(lambda w: w.release("demo-r2")["stage"] == "Warm", 300)
    assert timedelta(seconds=250) <= world.now - begin <= timedelta(seconds=380)


def test_metrics_that_can_not_be_read_do_not_hold_the_drain() -> None:
    world = World(spec={"image": "api:1"}, quick=False).settle(200)
    world.change(image="api:2").reach("Drain")
    world.traffic.unreadable["api:1"] = "it does not answer in time"
    world.reach("Warm")


def test_the_old_color_is_warm_at_the_live_size_until_the_window_is_over() -> None:
    world = drained().reach("Warm")
    served = world.now
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("Reconciling") == ("False", "Settled")
    world.change(replicas=5).steps(2)
    assert (world.replicas("blue"), world.replicas("green")) == (5, 5)
    world.settle(100)
    assert world.now - served <= timedelta(seconds=300)
    assert (world.replicas("blue"), world.replicas("green")) == (0, 5)
    assert world.release("demo-r2")["result"] == "Succeeded"
    assert "demotedAt" in world.release("demo-r1")


def test_the_autoscaler_stays_on_the_active_color() -> None:
    spec = {"image": "api:1", "autoscaling": {"minReplicas": 2, "maxReplicas": 9}}
    world = World(spec=spec, quick=False).settle(200)
    world.change(image="api:2").reach("Warm")
    target = world.get("HorizontalPodAutoscaler", "demo")["spec"]["scaleTargetRef"]["name"]
    assert target == "demo-green"
    world.get("Deployment", "demo-green")["spec"]["replicas"] = 6
    world.steps(2)
    assert world.replicas("blue") == 6
    assert world.replicas("green") == 6


def test_the_next_release_takes_the_warm_color_at_once() -> None:
    world = drained().reach("Warm")
    begin = world.now
    world.change(image="api:3").run_until(lambda w: w.has("BookStoreRelease", "demo-r3"))
    assert world.now - begin < timedelta(seconds=5)
    world.settle(200)
    assert world.switches == ["demo-r1", "demo-r2", "demo-r3"]
    assert world.release("demo-r2")["result"] == "Succeeded"


def test_a_rollback_while_warm_is_one_switch() -> None:
    world = drained().reach("Warm")
    begin = world.now
    world.change(image="api:1")
    world.run_until(lambda w: w.switches[-1] == "demo-r1")
    assert world.now - begin <= timedelta(seconds=5)
    world.settle(200)
    assert (world.replicas("blue"), world.replicas("green")) == (2, 0)


def test_a_window_of_zero_scales_the_old_color_down_after_the_drain() -> None:
    world = drained(rollbackWindowSeconds=0)
    world.settle(100)
    assert world.replicas("blue") == 0
