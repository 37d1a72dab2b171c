"""The Ingress and the load balancer: what is made, when, and what is said of their addresses."""

from datetime import timedelta
from typing import Any

import pytest

from bookstore_operator.core.plan import EventType
from bookstore_operator.core.reasons import Reason
from bookstore_operator.workloads.thresholds import THRESHOLDS
from tests.support.world import World

pytestmark = pytest.mark.scenario

HOST: dict[str, Any] = {"host": "books.example"}
BALANCED: dict[str, Any] = {"type": "LoadBalancer"}


def give_address(world: World, kind: str, **address: str) -> None:
    """Report an address, as the controller of the object does."""
    world.add({**world.get(kind, "demo"), "status": {"loadBalancer": {"ingress": [address]}}})
    world.reconcile()


def reach(world: World, status: str, reason: str) -> World:
    """Continue until Exposed says this: `settle` would jump to the end of what is waited for."""
    return world.run_until(lambda w: w.condition("Exposed") == (status, reason), rounds=200)


def reach_ready(world: World) -> World:
    return world.run_until(lambda w: w.condition("Ready") == ("True", "Serving"), rounds=200)


def backends(world: World) -> list[str]:
    (rule,) = world.get("Ingress", "demo")["spec"]["rules"]
    return [path["backend"]["service"]["name"] for path in rule["http"]["paths"]]


def test_an_ingress_is_there_before_the_first_promotion() -> None:
    """A certificate and an address take minutes."""
    world = World(spec={"image": "api:1", "ingress": HOST}, migration=None)
    world.reconcile()
    world.tick()
    world.reconcile()
    assert not world.has("Service", "demo")
    assert backends(world) == ["demo"]


def test_a_release_does_not_touch_the_ingress() -> None:
    world = World(spec={"image": "api:1", "ingress": HOST}).settle()
    before = world.get("Ingress", "demo")
    world.change(image="api:2").settle()
    assert world.switches == ["demo-r1", "demo-r2"]
    assert world.get("Ingress", "demo") == before


def test_an_ingress_comes_changes_and_goes_without_a_release() -> None:
    world = World().settle()
    world.change(ingress=HOST).settle()
    assert backends(world) == ["demo"]
    world.change(ingress={**HOST, "tlsSecretName": "books", "annotations": {"a": "b"}}).settle()
    changed = world.get("Ingress", "demo")
    assert changed["spec"]["tls"] == [{"hosts": ["books.example"], "secretName": "books"}]
    assert changed["metadata"]["annotations"]["a"] == "b"
    world.change(ingress=None).settle()
    assert not world.has("Ingress", "demo")
    assert world.condition("Exposed") == ("Unknown", "NotConfigured")
    assert len(world.all("BookStoreRelease")) == 1


def test_a_load_balancer_comes_and_goes_without_a_release() -> None:
    world = World().settle()
    world.change(service={**BALANCED, "loadBalancerClass": "a/b"}).settle()
    spec = world.get("Service", "demo")["spec"]
    assert (spec["type"], spec["loadBalancerClass"]) == ("LoadBalancer", "a/b")
    give_address(world, "Service", hostname="lb.example")
    assert world.store["status"]["addresses"] == ["lb.example"]
    world.change(service=None).settle()
    assert world.store["status"].get("addresses", []) == []
    assert len(world.all("BookStoreRelease")) == 1


def test_both_need_an_address() -> None:
    world = reach_ready(World(spec={"image": "api:1", "ingress": HOST, "service": BALANCED}))
    give_address(world, "Ingress", ip="192.0.2.7")
    assert world.condition("Exposed") == ("False", "WaitingForAddress")
    assert "Service demo" in world.message("Exposed")
    give_address(world, "Service", hostname="lb.example")
    assert world.condition("Exposed") == ("True", "AddressAssigned")
    assert world.message("Exposed") == "Ingress demo: 192.0.2.7; Service demo: lb.example."
    assert world.store["status"]["addresses"] == ["192.0.2.7", "lb.example"]


def test_a_missing_address_is_a_problem_after_a_while_and_blocks_nothing() -> None:
    world = World().settle()
    world.now += timedelta(days=1)
    reach(world.change(ingress=HOST), "False", "WaitingForAddress")
    plan = world.reconcile()
    assert plan.requeue_after
    assert plan.requeue_after <= THRESHOLDS[Reason.NO_ADDRESS]
    world.events.clear()
    world.now += THRESHOLDS[Reason.NO_ADDRESS]
    world.reconcile()
    assert world.condition("Exposed") == ("False", "NoAddress")
    assert "kubectl describe ingress demo" in world.message("Exposed")
    assert [e.reason for e in world.events if e.type is EventType.WARNING] == ["NoAddress"]
    world.change(image="api:2").settle()
    assert world.condition("Ready") == ("True", "Serving")
    give_address(world, "Ingress", ip="192.0.2.7")
    assert world.condition("Exposed") == ("True", "AddressAssigned")


def test_the_clock_of_a_load_balancer_starts_with_the_first_promotion() -> None:
    world = World(spec={"image": "api:1", "service": BALANCED}, migration=None)
    world.run_until(lambda w: w.condition("Exposed")[0] != "absent", rounds=5)
    world.now += THRESHOLDS[Reason.NO_ADDRESS]
    world.reconcile()
    assert world.condition("Exposed") == ("Unknown", "WaitingForAddress")


def test_the_host_of_another_bookstore_is_not_taken() -> None:
    world = World(spec={"image": "api:1", "ingress": HOST})
    world.host_taken_by = "BookStore other"
    reach_ready(world)
    assert not world.has("Ingress", "demo")
    assert world.condition("Exposed") == ("False", "HostConflict")
    assert "books.example/ belong to BookStore other" in world.message("Exposed")
    plan = world.reconcile()
    assert plan.requeue_after
    assert plan.requeue_after <= timedelta(seconds=30), "nothing tells when the host is free"
    world.host_taken_by = ""
    world.settle()
    assert backends(world) == ["demo"]


def test_an_ingress_that_exists_is_kept_as_it_is_while_its_new_host_is_taken() -> None:
    world = World(spec={"image": "api:1", "ingress": HOST}).settle()
    before = world.get("Ingress", "demo")
    world.host_taken_by = "BookStore other"
    reach(world.change(ingress={"host": "other.example"}), "False", "HostConflict")
    world.steps(3)
    assert world.get("Ingress", "demo") == before


def test_a_paused_bookstore_leaves_its_ingress_alone() -> None:
    world = World(spec={"image": "api:1", "ingress": HOST}).settle()
    world.change(paused=True, ingress=None).settle()
    assert world.has("Ingress", "demo")
