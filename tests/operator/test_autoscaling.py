"""One autoscaler through releases: it is given the new color once that has the live size."""

from typing import Any

import pytest

from bookstore_operator.core.labels import color_selector
from bookstore_operator.core.plan import Apply, Delete, Scale
from bookstore_operator.crd.release import Color
from tests.operator.test_failures import set_metrics
from tests.support.world import Object, World

pytestmark = pytest.mark.scenario

AUTOSCALING: dict[str, Any] = {"minReplicas": 2, "maxReplicas": 9}


@pytest.fixture
def world() -> World:
    """A BookStore whose autoscaler has found that it needs seven Pods."""
    world = World(spec={"image": "api:1", "autoscaling": AUTOSCALING}).settle()
    autoscale(world, "blue", 7)
    return world.settle().wait(60)


def autoscale(world: World, color: str, replicas: int) -> None:
    """Set a size as the autoscaler does: through /scale of the Deployment that it targets."""
    assert target(world) == f"demo-{color}"
    world.get("Deployment", f"demo-{color}")["spec"]["replicas"] = replicas


def target(world: World) -> str:
    (autoscaler,) = world.all("HorizontalPodAutoscaler")
    return str(autoscaler["spec"]["scaleTargetRef"]["name"])


def visit(world: World) -> None:
    """Reconcile, and let the controllers act; no time passes."""
    world.tick()
    world.reconcile()
    world.tick()


def sizes(world: World) -> dict[str, int]:
    return {d["metadata"]["name"]: d["spec"]["replicas"] for d in world.all("Deployment")}


def test_green_is_seeded_from_the_live_count_before_the_autoscaler_is_given_it(
    world: World,
) -> None:
    uid = world.get("HorizontalPodAutoscaler", "demo")["metadata"]["uid"]
    done = len(world.done)
    world.change(image="api:2").settle()
    assert sizes(world) == {"demo-blue": 0, "demo-green": 7}
    assert target(world) == "demo-green"
    scaler = world.get("HorizontalPodAutoscaler", "demo")
    assert scaler["metadata"]["uid"] == uid, "it keeps what it knows of the last minutes"

    actions = world.done[done:]
    seeded = index_of(actions, lambda a: isinstance(a, Scale) and a.deployment == "demo-green")
    given = index_of(actions, lambda a: isinstance(a, Apply) and kind_of(a) == scaler["kind"])
    assert seeded < given
    world.change(image="api:2")  # the same again
    world.settle()
    assert sizes(world) == {"demo-blue": 0, "demo-green": 7}
    assert not any(isinstance(a, Delete) and a.key.kind == scaler["kind"] for a in world.done)


def index_of(actions: list[Any], matches: Any) -> int:
    return next(number for number, action in enumerate(actions) if matches(action))


def kind_of(action: Apply) -> str:
    return str(action.manifest["kind"])


def test_green_follows_a_size_that_changes_while_it_starts(world: World) -> None:
    world.broken = {"api:2"}
    world.change(image="api:2").reach("Start")
    visit(world)
    assert sizes(world)["demo-green"] == 7
    autoscale(world, "blue", 9)
    visit(world)
    assert sizes(world) == {"demo-blue": 9, "demo-green": 9}
    autoscale(world, "blue", 4)
    world.broken = set()
    world.settle()
    assert sizes(world) == {"demo-blue": 0, "demo-green": 4}
    assert world.switches == ["demo-r1", "demo-r2"], "with all of green available at its size"


def test_the_autoscaler_sets_the_size_after_the_switch_while_the_old_color_drains(
    world: World,
) -> None:
    world.change(image="api:2").reach("Watch").steps(2)
    assert sizes(world)["demo-blue"] == 7, "the old color is kept until it is not needed"
    autoscale(world, "green", 9)
    world.steps(2)
    assert sizes(world)["demo-green"] == 9
    world.settle()
    assert sizes(world) == {"demo-blue": 0, "demo-green": 9}


def test_the_autoscaler_counts_the_pods_of_one_color_only(world: World) -> None:
    """It counts by the selector of its Deployment, so a color that is kept warm is no load."""
    selectors: dict[str, Object] = {}
    world.change(image="api:2").reach("Watch").steps(2)
    for color in Color:
        deployment = world.get("Deployment", f"demo-{color.value}")
        selectors[color] = deployment["spec"]["selector"]["matchLabels"]
        assert selectors[color] == color_selector("demo", color)
    pods = [pod["metadata"]["labels"] for pod in world.all("Pod")]
    counted = {
        color: {p["bookstore.dev/color"] for p in pods if selector.items() <= p.items()}
        for color, selector in selectors.items()
    }
    assert counted == {Color.BLUE: {"blue"}, Color.GREEN: {"green"}}


def test_size_and_template_changed_at_once_are_one_release() -> None:
    world = World(spec={"image": "api:1", "replicas": 2}).settle()
    world.change(image="api:2", replicas=5).settle()
    assert sizes(world) == {"demo-blue": 0, "demo-green": 5}
    assert world.switches == ["demo-r1", "demo-r2"]
    assert len(world.all("BookStoreRelease")) == 2


def test_limits_and_template_changed_at_once_are_one_release(world: World) -> None:
    world.change(image="api:2", autoscaling={"minReplicas": 3, "maxReplicas": 12}).settle()
    assert sizes(world) == {"demo-blue": 0, "demo-green": 7}
    scaler = world.get("HorizontalPodAutoscaler", "demo")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 12)
    assert len(world.all("BookStoreRelease")) == 2


@pytest.mark.parametrize("stage", ["Expand", "Start", "Drain"])
def test_autoscaling_added_in_mid_release_keeps_the_size(stage: str) -> None:
    world = World(spec={"image": "api:1", "replicas": 5}).settle()
    world.change(image="api:2").reach(stage).change(autoscaling=AUTOSCALING, replicas=None)
    world.settle()
    assert sizes(world) == {"demo-blue": 0, "demo-green": 5}
    assert target(world) == "demo-green"
    assert len(world.all("BookStoreRelease")) == 2


@pytest.mark.parametrize("stage", ["Expand", "Start", "Drain"])
def test_autoscaling_removed_in_mid_release_leaves_the_size_of_the_spec(
    world: World, stage: str
) -> None:
    world.change(image="api:2").reach(stage).change(autoscaling=None, replicas=3)
    world.settle()
    assert sizes(world) == {"demo-blue": 0, "demo-green": 3}
    assert world.all("HorizontalPodAutoscaler") == []
    assert len(world.all("BookStoreRelease")) == 2


def test_a_retarget_is_no_lack_of_metrics_until_a_minute_has_passed(world: World) -> None:
    set_metrics(world, available=True)
    world.settle()
    assert world.condition("AutoscalingHealthy") == ("True", "MetricsKnown")
    world.change(image="api:2").reach("Drain").steps(1)
    set_metrics(world, available=False, since=world.now.isoformat())
    world.reconcile()
    assert world.condition("AutoscalingHealthy") == ("True", "MetricsKnown")
    assert "the new color" in world.message("AutoscalingHealthy")
    world.wait(61).reconcile()
    assert world.condition("AutoscalingHealthy") == ("False", "NoMetrics")


def test_a_lack_of_metrics_that_began_before_the_switch_stays_one(world: World) -> None:
    set_metrics(world, available=False, since=world.now.isoformat())
    world.wait(61).settle()
    world.change(image="api:2").settle()
    assert world.condition("AutoscalingHealthy") == ("False", "NoMetrics")


def test_how_fast_it_scales_down_can_be_set(world: World) -> None:
    def window() -> int:
        behavior = world.get("HorizontalPodAutoscaler", "demo")["spec"]["behavior"]
        return int(behavior["scaleDown"]["stabilizationWindowSeconds"])

    assert window() == 300
    world.change(autoscaling={**AUTOSCALING, "scaleDownStabilizationSeconds": 30}).settle()
    assert window() == 30
    assert len(world.all("BookStoreRelease")) == 1, "it is no release"
