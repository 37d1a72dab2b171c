"""Whatever happens in between, and wherever the operator is killed: the end is the same."""

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookstore_operator.core.plan import Plan
from bookstore_operator.decide import decide
from tests.support.backups import add_backup, add_result
from tests.support.examples import scaled
from tests.support.world import CONTRACTED, MIGRATED, TO_CONTRACT, VALKEY, World

pytestmark = pytest.mark.scenario

FAILURE: dict[str, Any] = {"command": "migrate", "code": "failed", "message": "No."}
UNREACHABLE: dict[str, Any] = {"command": "migrate", "code": "unreachable", "message": "No route."}

CACHES: list[dict[str, Any] | None] = [
    None,
    {"embedded": {}},
    {"embedded": {"resources": {"limits": {"memory": "256Mi"}}}},
    {"external": {"secretName": "redis"}},
]
LOST_SECRETS = ["demo-staff", "demo-cache", "redis"]
BACKED_UP: dict[str, Any] = {
    "image": "api:1",
    "backup": {"schedule": "0 3 * * *", "maxAgeSeconds": 600},
}
LOST = [
    *("Job", "Deployment", "Service", "PodDisruptionBudget", "BookStoreRelease"),
    *("PersistentVolumeClaim", "StatefulSet"),
]
CACHED: dict[str, Any] = {"image": "api:1", "cache": {"embedded": {}}}
RESULTS: list[dict[str, Any] | None] = [MIGRATED, FAILURE, UNREACHABLE, None]

Step = Callable[[World], object]


def killed_after(count: int) -> Step:
    return lambda world: world.reconcile(stop_after=count)


def once(step: Step) -> st.SearchStrategy[Step]:
    return st.just(step)


def image(number: int) -> Step:
    return lambda world: world.change(image=f"api:{number}")


def replicas(count: int) -> Step:
    return lambda world: world.change(replicas=count)


def later(seconds: int) -> Step:
    return lambda world: world.wait(seconds)


def migrations_say(result: dict[str, Any] | None) -> Step:
    def say(world: World) -> None:
        world.migration = result

    return say


def database(up: bool) -> Step:
    def turn(world: World) -> None:
        world.database_up = up

    return turn


def cache(chosen: dict[str, Any] | None) -> Step:
    return lambda world: world.change(cache=chosen)


def valkey(up: bool) -> Step:
    return lambda world: world.broken.discard(VALKEY) if up else world.broken.add(VALKEY)


def secret(name: str, there: bool) -> Step:
    """Delete a Secret by hand, or make one of those that others make."""

    def change(world: World) -> None:
        if there and name == "redis":
            world.secrets[name] = frozenset({"uri"})
        elif not there:
            world.secrets.pop(name, None)

    return change


def lose(kind: str) -> Step:
    """Delete objects of a kind by hand."""

    def delete(world: World) -> None:
        world.lose(kind)

    return delete


def misdirect(world: World) -> None:
    """Edit the active Service by hand."""
    if world.has("Service", "demo"):
        world.get("Service", "demo")["spec"]["selector"] = {"app": "mine"}


def break_image(number: int) -> Step:
    return lambda world: world.broken.add(f"api:{number}")


def backup(world: World) -> None:
    """Let a backup begin now, and succeed."""
    if world.has("CronJob", "demo-backup"):
        began = f"{world.now:%Y%m%dT%H%M%SZ}"
        job = add_backup(world, began=0, name=f"demo-backup-{began.lower()}")
        add_result(world, job, backup={"name": f"{began}-0a1b2c"})


def contracts_say(result: dict[str, Any] | None) -> Step:
    def say(world: World) -> None:
        world.contracted = result

    return say


STEPS = st.one_of(
    st.integers(0, 16).map(killed_after),
    once(World.reconcile),
    once(World.tick),
    once(World.step),
    st.integers(1, 4).map(image),
    st.integers(0, 6).map(replicas),
    st.sampled_from([1, 10, 31, 700]).map(later),
    st.sampled_from(RESULTS).map(migrations_say),
    st.booleans().map(database),
    st.sampled_from(LOST).map(lose),
    once(misdirect),
    st.integers(1, 4).map(break_image),
    st.sampled_from(CACHES).map(cache),
    st.booleans().map(valkey),
    st.tuples(st.sampled_from(LOST_SECRETS), st.booleans()).map(lambda drawn: secret(*drawn)),
)


@pytest.mark.invariant
@settings(max_examples=scaled(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(
        st.one_of(STEPS, once(backup), st.sampled_from([*RESULTS, CONTRACTED]).map(contracts_say)),
        max_size=25,
    )
)
def test_at_most_one_migration_runs_and_the_schema_is_contracted_at_last(steps: list[Step]) -> None:
    """The world holds at each Job's creation that no other migration of either branch runs."""
    world = World(spec=copy.deepcopy(BACKED_UP))
    world.answers["contract"] = TO_CONTRACT
    for step in steps:
        step(world)
    world.broken, world.database_up = set(), True
    world.secrets["redis"] = frozenset({"uri"})
    world.migration, world.contracted = MIGRATED, CONTRACTED
    world.settle(200)
    world.change(image="api:9").settle(200)
    world.wait(60)
    backup(world)
    world.settle(200)
    active = world.store["status"]["active"]["release"]
    assert world.store["status"]["active"]["image"] == "api:9"
    assert world.release(active)["contract"]["state"] == "Done"
    assert world.condition("Ready") == ("True", "Serving")


@pytest.mark.invariant
@settings(max_examples=scaled(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=25))
def test_every_bookstore_becomes_ready_once_all_faults_are_fixed(steps: list[Step]) -> None:
    world = World()
    for step in steps:
        step(world)  # the world holds at each switch that the new color is available
    world.broken = set()
    world.database_up = True
    world.secrets["redis"] = frozenset({"uri"})
    world.migration = MIGRATED
    world.settle(200)
    # A new wish is what a failed release is answered with.
    world.change(image="api:9", replicas=3).settle(200)

    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("Stalled")[0] == "False"
    active = world.store["status"]["active"]
    assert active["image"] == "api:9"
    selector = world.get("Service", "demo")["spec"]["selector"]
    assert selector["bookstore.dev/color"] == active["color"]
    assert selector["bookstore.dev/revision"] == str(active["revision"])
    sizes = {d["metadata"]["name"]: d["spec"]["replicas"] for d in world.all("Deployment")}
    wanted = world.store["spec"].get("cache") or {}
    assert sizes.pop("demo-cache", 0) == (1 if "embedded" in wanted else 0)
    assert sizes.pop(f"demo-{active['color']}") == 3
    assert set(sizes.values()) <= {0}
    assert {"demo-db", "demo-staff"} <= world.secrets.keys()
    promoted = [r for r in world.all("BookStoreRelease") if r["status"].get("promotedAt")]
    assert [r["metadata"]["name"] for r in promoted if "demotedAt" not in r["status"]] == [
        active["release"]
    ]
    assert decide(world.snapshot(), world.now + timedelta(days=1)) == Plan()


def test_a_service_edited_right_after_the_switch_is_repaired_though_its_pods_are_gone() -> None:
    world = World(spec={"image": "api:1"})
    while not world.switches:
        world.reconcile()
        world.tick()
    break_image(1)(world)
    world.tick()
    misdirect(world)
    world.reconcile()
    assert world.get("Service", "demo")["spec"]["selector"]["bookstore.dev/revision"] == "1"
    assert len(world.switches) == 2, "all of it within the second of the promotion"


@pytest.mark.invariant
@settings(max_examples=scaled(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kills=st.lists(st.integers(0, 16), max_size=30))
def test_a_release_survives_any_number_of_restarts_of_the_operator(kills: list[int]) -> None:
    undisturbed = World(spec=copy.deepcopy(CACHED)).settle()
    undisturbed.change(image="api:2")
    undisturbed.settle()

    world = World(spec=copy.deepcopy(CACHED))
    for count in kills[: len(kills) // 2]:
        world.reconcile(stop_after=count)
        world.tick()
    world.settle()
    world.change(image="api:2")
    for count in kills[len(kills) // 2 :]:
        world.reconcile(stop_after=count)
        world.tick()
    world.settle()

    assert world.switches == undisturbed.switches == ["demo-r1", "demo-r2"]
    assert world.objects.keys() == undisturbed.objects.keys()
    assert world.secrets == undisturbed.secrets
    assert len(world.migrations()) == 2, "no migration ran twice"
    for key, obj in undisturbed.objects.items():
        if key.kind == "BookStoreRelease":
            assert world.objects[key]["status"]["result"] == obj["status"]["result"]


def errors(number: int, percent: float) -> Step:
    """Let an image answer with errors."""

    def set_errors(world: World) -> None:
        world.traffic.errors[f"api:{number}"] = percent

    return set_errors


def unreadable(number: int) -> Step:
    """Let the metrics of an image be out of reach."""

    def hide(world: World) -> None:
        world.traffic.unreadable[f"api:{number}"] = "it does not answer in time"

    return hide


WATCH_STEPS = st.one_of(
    STEPS,
    st.tuples(st.integers(1, 4), st.sampled_from([0.0, 3.0, 60.0])).map(lambda d: errors(*d)),
    st.integers(1, 4).map(unreadable),
    once(World.restart_operator),
    *[st.integers(1, 12).map(lambda count: lambda world: world.steps(count))] * 3,
)


def serves_one_revision(world: World) -> bool:
    """Whether the active Service selects Pods of one revision, that of the active record."""
    if not world.has("Service", "demo"):
        return True
    selector = world.get("Service", "demo")["spec"]["selector"]
    chosen = [p for p in world.all("Pod") if selector.items() <= p["metadata"]["labels"].items()]
    return len({pod["metadata"]["labels"]["bookstore.dev/revision"] for pod in chosen}) <= 1


@pytest.mark.invariant
@settings(max_examples=scaled(15), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(WATCH_STEPS, max_size=25))
def test_watched_releases_end_and_users_meet_one_revision_of_ready_pods(steps: list[Step]) -> None:
    """The world holds at each switch, forward and back, that the color is available."""
    world = World(quick=False)
    for step in steps:
        step(world)
        assert misdirect in steps or serves_one_revision(world)
    world.broken = set()
    world.traffic.errors, world.traffic.unreadable = {}, {}
    world.database_up = True
    world.secrets["redis"] = frozenset({"uri"})
    world.migration = MIGRATED
    world.settle(400)
    world.change(image="api:9", replicas=3).settle(400)

    assert world.condition("Ready") == ("True", "Serving")
    active = world.store["status"]["active"]
    assert active["image"] == "api:9"
    assert serves_one_revision(world)
    newest = world.release(active["release"])
    assert newest["result"] == "Succeeded"
    assert decide(world.snapshot(), world.now + timedelta(days=1)) == Plan()
