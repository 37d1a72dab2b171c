"""Stage Budget: two colors must not take the database down."""

from typing import Any

import pytest

from tests.support.world import CURRENT, DESCRIBED, Object, World

pytestmark = pytest.mark.scenario

NO_LIMIT: Object = {"limit": None, "heldByOthers": 0}


def allows(**limits: Any) -> Object:
    """Return the answer of a database with these limits, and no others."""
    pooled = limits.pop("pooled", False)
    known = {"server": NO_LIMIT, "role": NO_LIMIT, "database": NO_LIMIT, **limits}
    shares = {name: share for name, share in known.items() if share is not None}
    return {**CURRENT, "connections": {**shares, "pooled": pooled}}


def released(answer: Object, **spec: object) -> World:
    """Return a BookStore whose release of api:2 asks a database that answers that."""
    world = World(spec={"image": "api:1", **spec}).settle()
    world.answers["check-schema"] = answer
    return world.change(image="api:2").settle()


def budget(world: World, release: str = "demo-r2") -> Object:
    record: Object = world.release(release)["connectionBudget"]
    return record


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("server", "the server allows 30, of which others hold 4: 3 too many"),
        ("role", "the role allows 30, of which others hold 4: 3 too many"),
        ("database", "the database allows 30, of which others hold 4: 3 too many"),
    ],
)
def test_what_does_not_fit_is_not_started_and_says_by_how_many(kind: str, words: str) -> None:
    world = released(allows(**{kind: {"limit": 30, "heldByOthers": 4}}))
    assert world.condition("Stalled") == ("True", "ConnectionBudgetExceeded")
    message = world.message("Stalled")
    assert "29 connections at most (2 Pods with 6 each of revision 1, 2 Pods with 6" in message
    assert words in message
    assert "lower spec.config.databasePoolSize" in message.replace("Lower", "lower")
    assert not world.has("Deployment", "demo-green")
    assert world.condition("Available") == ("True", "Serving")
    assert (budget(world)["result"], budget(world)["needed"]) == ("Exceeded", 29)


def test_the_tightest_limit_is_named() -> None:
    limits = {"server": {"limit": 28, "heldByOthers": 0}, "role": {"limit": 10, "heldByOthers": 0}}
    assert "the role allows 10, of which others hold 0: 19 too many" in released(
        allows(**limits)
    ).message("Stalled")


def test_what_fits_exactly_is_released() -> None:
    world = released(allows(server={"limit": 33, "heldByOthers": 4}))
    assert world.condition("Ready") == ("True", "Serving")
    assert budget(world)["result"] == "Fits"
    assert not world.has("Job", "demo-r2-budget"), "the old image was asked already"


def test_a_fixed_spec_is_released() -> None:
    world = released(allows(role={"limit": 30, "heldByOthers": 4}))
    world.change(replicas=1).settle()
    world.change(image="api:3").settle()
    assert world.store["status"]["active"]["image"] == "api:3"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (allows(pooled=True, role={"limit": 3, "heldByOthers": 0}), "a connection pooler"),
        (allows(role=None), "the limit of the role is unknown"),
        ({key: value for key, value in CURRENT.items() if key != "connections"}, "has not said"),
    ],
)
def test_what_can_not_be_told_passes_and_is_recorded_as_unknown(answer: Object, why: str) -> None:
    world = released(answer)
    assert world.condition("Ready") == ("True", "Serving")
    assert budget(world)["result"] == "Unknown"
    assert why in budget(world)["message"]


def test_a_known_limit_counts_also_if_another_is_unknown() -> None:
    world = released(allows(role=None, server={"limit": 20, "heldByOthers": 0}))
    assert world.condition("Stalled") == ("True", "ConnectionBudgetExceeded")


def test_the_new_images_own_number_is_used() -> None:
    world = World().settle()
    world.answers["contract api:2"] = {**DESCRIBED, "connectionsPerPod": 11}
    world.answers["check-schema"] = allows(role={"limit": 38, "heldByOthers": 0})
    world.change(image="api:2").settle()
    assert "2 Pods with 11 each of revision 2" in world.message("Stalled")
    assert "39 connections at most" in world.message("Stalled")


def test_an_image_that_does_not_say_its_number_leaves_it_unknown() -> None:
    world = World().settle()
    world.answers["contract api:2"] = {**DESCRIBED, "connectionsPerPod": "6"}
    world.answers["check-schema"] = allows(role={"limit": 1, "heldByOthers": 0})
    world.change(image="api:2").settle()
    assert budget(world)["result"] == "Unknown"
    assert world.condition("Ready") == ("True", "Serving")


def test_an_autoscalers_live_size_counts() -> None:
    world = World(spec={"image": "api:1", "autoscaling": {"maxReplicas": 9}}).settle()
    world.get("Deployment", "demo-blue")["spec"]["replicas"] = 7
    world.settle()
    world.answers["check-schema"] = allows(server={"limit": 80, "heldByOthers": 0})
    world.change(image="api:2").settle()
    assert "7 Pods with 6 each of revision 1, 7 Pods with 6 each of revision 2" in world.message(
        "Stalled"
    )


def test_a_first_release_asks_its_own_image() -> None:
    world = World(answers={"check-schema": allows(role={"limit": 16, "heldByOthers": 0})}).settle()
    assert world.has("Job", "demo-r1-budget")
    assert world.condition("Stalled") == ("True", "ConnectionBudgetExceeded")
    assert "17 connections at most (2 Pods with 6 each of revision 1, 5 for" in world.message(
        "Stalled"
    )
    assert "1 too many" in world.message("Stalled")


def test_a_first_image_that_does_not_work_on_its_schema_is_not_started() -> None:
    bad = {"command": "check-schema", "code": "behind", "message": "0002 is missing."}
    world = World(answers={"check-schema": bad}).settle()
    assert world.condition("Stalled") == ("True", "SchemaIncompatible")
    assert "Image api:1 does not work on the schema (behind): 0002 is missing." in world.message(
        "Stalled"
    )


def test_an_answer_of_the_same_image_is_used_again_for_an_hour() -> None:
    world = World().settle()
    world.change(config={"logLevel": "debug"}).settle()
    assert not world.has("Job", "demo-r2-budget")
    assert budget(world)["result"] == "Fits"
    world.wait(3600)
    world.change(config={"logLevel": "info", "docs": False}).settle()
    assert world.has("Job", "demo-r3-budget")
