"""Records of a newer operator, or damaged: reported, while the active release keeps running."""

import json
from typing import Any

import pytest

from bookstore_operator.core.snapshot import take_snapshot
from bookstore_operator.crd.bookstore import BookStore
from tests.support.world import World

pytestmark = pytest.mark.scenario


def releasing(stage: str = "Start") -> World:
    """Return a BookStore that serves revision 1 and releases revision 2."""
    world = World().settle()
    world.broken.add("api:2")
    return world.change(image="api:2").reach(stage)


def set_release(world: World, name: str = "demo-r2", **status: Any) -> None:
    release = world.get("BookStoreRelease", name)
    release["status"] = {**release["status"], **status}


@pytest.mark.parametrize("status", [{"stage": "Rehearse"}, {"result": "Frozen"}])
def test_an_unknown_word_is_told_and_what_serves_is_repaired(status: dict[str, str]) -> None:
    world = releasing()
    set_release(world, **status)
    world.lose("Service").steps(5)
    assert world.has("Service", "demo")
    assert world.condition("Ready") == ("False", "RecordInvalid")
    assert world.condition("Stalled") == ("True", "RecordInvalid")
    assert world.condition("Available") == ("True", "Serving")
    word = next(iter(status.values()))
    assert word in world.message("Ready")
    assert "Run that version of the operator again" in world.message("Ready")
    key, value = next(iter(status.items()))
    assert world.release("demo-r2")[key] == value, "written back as it was"


def test_a_release_at_an_unknown_stage_can_be_replaced() -> None:
    world = releasing()
    set_release(world, stage="Rehearse")
    world.steps(3).change(image="api:3").settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert world.release("demo-r2")["result"] == "Superseded"


def test_a_finished_release_with_an_unknown_last_stage_is_finished() -> None:
    world = World().settle()
    set_release(world, "demo-r1", stage="Contract")
    world.steps(3)
    assert world.condition("Ready") == ("True", "Serving")


def test_an_unreadable_release_blocks_steps_but_not_repairs() -> None:
    world = releasing()
    pods = world.replicas("green")
    world.get("BookStoreRelease", "demo-r2")["spec"]["podTemplate"] = "not JSON"
    world.lose("Service").change(image="api:3").steps(5)
    assert world.has("Service", "demo")
    assert world.condition("Ready") == ("False", "RecordInvalid")
    assert "demo-r2 can't be read" in world.message("Ready")
    assert not world.has("BookStoreRelease", "demo-r3")
    assert world.replicas("green") == pods, "the other release may need its color"


def test_nothing_is_touched_while_the_serving_release_is_unreadable() -> None:
    world = World().settle()
    world.change(image="api:2").settle()
    service = world.get("Service", "demo")["spec"]
    world.get("BookStoreRelease", "demo-r2")["spec"]["color"] = "purple"
    before, status = len(world.done), world.store["status"]
    world.steps(5)
    assert world.get("Service", "demo")["spec"] == service
    kept = ("release", "active", "replicas", "readyReplicas", "selector", "schema")
    assert [world.store["status"].get(key) for key in kept] == [status[key] for key in kept]
    assert {type(action).__name__ for action in world.done[before:]} == {"WriteStatus"}
    assert world.condition("Ready") == ("False", "RecordInvalid")
    assert world.condition("Available") == ("Unknown", "RecordInvalid")


def test_a_recorded_intent_that_can_not_be_read_is_another_one() -> None:
    world = World().settle()
    intent = world.get("BookStoreRelease", "demo-r1")["spec"]["intent"]
    intent["scheduling"] = {"tolerations": [{"key": "no label key!"}]}
    world.settle()
    assert world.has("BookStoreRelease", "demo-r2")
    assert world.condition("Ready") == ("True", "Serving")


def test_a_status_that_can_not_be_read_is_written_anew() -> None:
    world = World().settle()
    good = json.dumps(world.store["status"], sort_keys=True)
    world.store["status"] = {
        "conditions": [{"type": "Ready", "status": "Perhaps"}],
        "replicas": "x",
    }
    store = BookStore.model_validate(world.store)
    assert store.status.conditions == []
    world.settle()
    rewritten = {**json.loads(good), "conditions": world.store["status"]["conditions"]}
    assert world.store["status"] == rewritten
    assert world.condition("Ready") == ("True", "Serving")


def test_a_newer_spec_is_no_reason_to_fail_for_take_snapshot() -> None:
    """take_snapshot raises nothing for releases, whatever they hold."""
    world = World().settle()
    damaged = {"kind": "BookStoreRelease", "metadata": {"name": "demo-r9"}, "spec": {}}
    snapshot = take_snapshot(
        BookStore.model_validate(world.store),
        [*world.all("BookStoreRelease"), damaged],
        {},
        secrets={},
        pull_secrets={},
        warnings={},
        settings=world.snapshot().settings,
    )
    assert snapshot.blocker is not None
    assert "demo-r9" in snapshot.blocker.message
    assert [release.name for release in snapshot.releases] == ["demo-r1"]
