"""A new stage is a file and a line of the list: nobody else has to know of it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from bookstore_operator.core.gate import Passed, Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd import stages as listed
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.stages import STAGES, Stage
from bookstore_operator.releases import stages
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.walk import run_of
from tests.support.world import World

pytestmark = pytest.mark.scenario

NAMES = [stage.name for stage in STAGES]


def test_every_stage_has_its_file_and_every_file_is_listed() -> None:
    files = {path.stem for path in Path(*stages.__path__).glob("*.py")} - {"__init__"}
    assert files == {stage.module for stage in STAGES}
    assert all(callable(run_of(stage)) for stage in STAGES)


class Held:
    """A stage that waits until the test lets it pass."""

    def __init__(self) -> None:
        self.waits = True

    def __call__(self, snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
        del release, visit
        held = Waiting(Reason.RELEASING, "Waiting to be let go.")
        return Progress(snapshot, held if self.waits else Passed())


Insert = Callable[[Stage, str], Held]


@pytest.fixture
def insert(monkeypatch: pytest.MonkeyPatch) -> Insert:
    """Put a stage into the list before another one, and its file beside theirs."""

    def put(stage: Stage, before: str) -> Held:
        index = NAMES.index(before)
        monkeypatch.setattr(listed, "STAGES", (*STAGES[:index], stage, *STAGES[index:]))
        module, held = ModuleType(stage.module), Held()
        setattr(module, stage.module, held)
        monkeypatch.setitem(sys.modules, f"{stages.__name__}.{stage.module}", module)
        return held

    return put


@contextmanager
def released(world: World, held: Held, stage: str) -> Iterator[None]:
    """Release api:2 up to a stage that is held; afterwards it must go through."""
    held.waits = False
    world.settle()
    held.waits = True
    world.change(image="api:2")
    world.run_until(lambda w: stage in (r.get("status", {}).get("stage") for r in releases(w)))
    for _ in range(5):
        world.step()
    yield
    held.waits = False
    world.settle()
    assert world.release("demo-r2")["result"] == "Succeeded"
    assert world.condition("Ready") == ("True", "Serving")


def releases(world: World) -> list[dict[str, dict[str, str]]]:
    return (
        [world.get("BookStoreRelease", "demo-r2")]
        if world.has("BookStoreRelease", "demo-r2")
        else []
    )


def test_a_new_stage_that_needs_the_new_color_keeps_its_pods(insert: Insert) -> None:
    held = insert(Stage("Rehearse", "the new color is rehearsed", needs_idle_color=True), "Switch")
    world = World()
    with released(world, held, "Rehearse"):
        assert world.replicas("green") == 2
        assert world.condition("DatabaseMigrated")[0] == "True"


def test_pods_of_a_wrongly_listed_stage_are_removed(insert: Insert) -> None:
    """What the list says is what is done: the test of the list above can't be a formality."""
    held = insert(Stage("Rehearse", "the new color is rehearsed"), "Switch")
    world = World()
    held.waits = False
    world.settle()
    held.waits = True
    world.change(image="api:2")
    world.run_until(lambda w: w.has("Deployment", "demo-green") and w.replicas("green") == 2)
    world.run_until(lambda w: w.replicas("green") == 0)
    assert world.release("demo-r2")["stage"] == "Rehearse"


def test_a_stage_before_expand_does_not_count_as_migrated(insert: Insert) -> None:
    held = insert(Stage("Backup", "a fresh backup is there"), "Expand")
    held.waits = True
    first = World().reach("Backup", "demo-r1").steps(1)
    assert first.condition("DatabaseMigrated")[0] == "False"
    world = World()
    with released(world, held, "Backup"):
        assert world.condition("DatabaseMigrated") == ("True", "Migrated"), "that of what serves"


def test_the_color_of_a_superseded_release_has_no_pods_while_the_next_migrates() -> None:
    world = World(broken={"api:2"}).settle()
    world.change(image="api:2")
    world.run_until(lambda w: w.has("Deployment", "demo-green") and w.replicas("green") == 2)
    world.migration = None
    world.change(image="api:3")
    world.run_until(lambda w: w.has("BookStoreRelease", "demo-r3") and bool(w.running_migrations()))
    assert NAMES.index(world.release("demo-r3")["stage"]) < NAMES.index("Start")
    assert world.replicas("green") == 0
