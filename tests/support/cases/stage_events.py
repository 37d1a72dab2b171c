"""Stages and events: what happens to a release if something happens while it is at a stage.

Each cell is data: a sentence for docs/reference/releases.md, and how the world is once all has
settled. A scenario holds a release at the stage, lets the event happen, lets go, and compares.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support.world import BACKED_UP, MIGRATED, World

ROLLOUT: dict[str, Any] = {
    "watch": {"seconds": 60, "minRequests": 1},
    "rollbackWindowSeconds": 300,
    "scaleDownDelaySeconds": 120,
}


def base() -> World:
    """Return a BookStore that serves revision 1, in which every stage has something to do."""
    return copy.deepcopy(_serving())


@cache
def _serving() -> World:
    spec = {
        "image": "api:1",
        "rollout": ROLLOUT,
        "backup": {"schedule": "@daily", "beforeMigration": "always"},
    }
    return World(spec=spec, quick=False).settle(200)


# Holding a release at a stage, and letting go -----------------------------------------------------


def _answers(command: str, value: Any) -> Callable[[World], None]:
    def set_answer(world: World) -> None:
        if value is None:
            world.answers[command] = None
        else:
            world.answers.pop(command, None)

    return set_answer


def _set(name: str, value: Any) -> Callable[[World], None]:
    return lambda world: setattr(world, name, value)


def _promotion(how: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.change(rollout={**world.store["spec"].get("rollout", {}), "promotion": how})

    return change


def _nothing(world: World) -> None:
    del world


def _ask_for_connections(world: World) -> None:
    """Let the schema stay as it is, and what is known of the connections become old."""
    world.migration = {**MIGRATED, "schemaBefore": MIGRATED["schemaAfter"]}
    world.answers["check-schema api:2"] = None
    world.wait(7200)


def _let_switch(world: World) -> None:
    world.broken = set()
    _promotion("Automatic")(world)


@dataclass(frozen=True)
class Hold:
    """How a release is kept at a stage."""

    begin: Callable[[World], None] = _nothing
    end: Callable[[World], None] = _nothing


HOLDS: dict[str, Hold] = {
    "Validate": Hold(_answers("contract api:2", None), _answers("contract api:2", 1)),
    "Backup": Hold(_set("backup", None), _set("backup", BACKED_UP)),
    "Expand": Hold(_set("migration", None), _set("migration", MIGRATED)),
    "Compatible": Hold(_answers("check-schema api:1", None), _answers("check-schema api:1", 1)),
    "Budget": Hold(_ask_for_connections, _answers("check-schema api:2", 1)),
    "Start": Hold(_set("broken", {"api:2"}), _set("broken", set())),
    "Verify": Hold(_answers("smoke api:2", None), _answers("smoke api:2", 1)),
    "Approve": Hold(_promotion("Manual"), _promotion("Automatic")),
    "Switch": Hold(_promotion("Manual"), _let_switch),
    "Watch": Hold(),
    "Drain": Hold(),
    "Warm": Hold(),
}
BEFORE_SWITCH = (
    *("Validate", "Backup", "Expand", "Compatible", "Budget"),
    *("Start", "Verify", "Approve", "Switch"),
)
AT_ONCE = tuple(stage for stage in BEFORE_SWITCH if stage not in {"Backup", "Expand"})
SERVING = ("Watch", "Drain", "Warm")


def at(stage: str) -> World:
    """Return a BookStore whose release 2 is held at a stage."""
    world = base()
    HOLDS[stage].begin(world)
    world.change(image="api:2")
    world.reach("Approve" if stage == "Switch" else stage)
    if stage == "Switch":  # approved while its Pods are away: it waits for them
        world.broken = {"api:2"}
        world.tick()
        world.get("BookStoreRelease", "demo-r2")["spec"]["approved"] = True
        world.reconcile()
    visit(world)
    assert world.release("demo-r2")["stage"] == stage
    return world


def visit(world: World, times: int = 2) -> World:
    """Let the operator and the controllers act, without letting time pass."""
    for _ in range(times):
        plan = world.reconcile()
        world.tick()
        world.measure(plan)
    return world


# Events -------------------------------------------------------------------------------------------


def _release(world: World) -> dict[str, Any]:
    spec: dict[str, Any] = world.get("BookStoreRelease", "demo-r2")["spec"]
    return spec


def change_spec(world: World) -> None:
    world.change(image="api:3")


def put_back(world: World) -> None:
    world.change(image="api:1")


def abort(world: World) -> None:
    _release(world)["aborted"] = True


def pause(world: World) -> None:
    """For an hour, which is longer than any deadline."""
    stage, urgent = world.release("demo-r2")["stage"], _release(world).get("aborted")
    switches = list(world.switches)
    visit(world.change(paused=True))
    visit(world.wait(3600))
    assert world.release("demo-r2")["stage"] == stage
    assert urgent or world.switches == switches
    world.change(paused=False)


def approve(world: World) -> None:
    _promotion("Manual")(world)
    _release(world)["approved"] = True


def delete(world: World) -> None:
    world.delete_store()


def kill(world: World) -> None:
    for count in range(4):
        world.restart_operator().reconcile(stop_after=count)
        world.tick()


def lose_jobs(world: World) -> None:
    world.lose("Job")
    world.tick()


def lose_green(world: World) -> None:
    world.broken = {*world.broken, "api:2"}
    world.tick()
    visit(world)
    for _ in range(60):  # until the deadline of the stage, if there is one
        world.step()


def lose_blue(world: World) -> None:
    world.broken = {*world.broken, "api:1"}
    world.tick()


def lose_database(world: World) -> None:
    world.database_up = False
    visit(world)
    visit(world.wait(60))
    world.database_up = True


def resize(world: World) -> None:
    """An autoscaler sets the size of the color that serves."""
    world.change(replicas=None, autoscaling={"minReplicas": 2, "maxReplicas": 9})
    visit(world)
    color = world.store["status"]["active"]["color"]
    world.get("Deployment", f"demo-{color}")["spec"]["replicas"] = 5
    world.tick()


def add_and_remove_autoscaling(world: World) -> None:
    world.change(replicas=None, autoscaling={"minReplicas": 3, "maxReplicas": 9})
    visit(world)
    assert len(world.all("HorizontalPodAutoscaler")) == 1
    world.change(replicas=4, autoscaling=None)


def drain_node(world: World) -> None:
    """A Pod of each color is evicted; its Deployment replaces it."""
    for pod in [p for p in world.all("Pod") if p["metadata"]["name"].endswith("-0")]:
        world.objects = {k: o for k, o in world.objects.items() if o is not pod}
    world.tick()


def ask_twice(world: World) -> None:
    visit(world.change(image="api:3"), 1)
    world.change(image="api:4")


def run_newer_operator(world: World) -> None:
    """A newer one has taken the release to a stage that this one lacks, and is gone."""
    world.get("BookStoreRelease", "demo-r2")["status"]["stage"] = "Polish"


# The table ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """How the world is in the end."""

    result: str | None
    """Of release 2."""
    serves: str = "api:2"
    reason: str = "Serving"
    """Of the condition Ready."""
    size: int = 2


@dataclass(frozen=True)
class Cell:
    """What happens at some stages."""

    stages: tuple[str, ...]
    text: str
    outcome: Outcome | None
    """None: nothing of the BookStore is left."""


@dataclass(frozen=True)
class Row:
    """An event, and what it does at each stage."""

    event: str
    happen: Callable[[World], None]
    cells: tuple[Cell, ...]


DONE = Outcome("Succeeded")
BACK = Outcome("Superseded", "api:1")
FAILED = Outcome("Failed", "api:1", "ProgressDeadlineExceeded")
ROLLED_BACK = Outcome("RolledBack", "api:1", "RolledBack")
ALL = (*BEFORE_SWITCH, *SERVING)

ROWS: tuple[Row, ...] = (
    Row(
        "The spec is changed",
        change_spec,
        (
            Cell(
                AT_ONCE,
                "The release is superseded at once, and the next one begins.",
                Outcome("Superseded", "api:3"),
            ),
            Cell(
                ("Backup", "Expand"),
                "A Job whose Pod has not started is deleted, another one finishes; then the "
                "release is superseded, and the next one begins.",
                Outcome("Superseded", "api:3"),
            ),
            Cell(
                ("Watch",),
                "The next release begins once the watch and the drain are over.",
                Outcome("Succeeded", "api:3"),
            ),
            Cell(
                ("Drain",),
                "The next release waits for at most 30 s.",
                Outcome("Succeeded", "api:3"),
            ),
            Cell(
                ("Warm",),
                "The next release takes the color at once.",
                Outcome("Succeeded", "api:3"),
            ),
        ),
    ),
    Row(
        "The spec is put back to the active release's",
        put_back,
        (
            Cell(
                AT_ONCE,
                "The release is superseded at once; nothing else changes.",
                BACK,
            ),
            Cell(
                ("Backup", "Expand"),
                "A Job whose Pod has not started is deleted, another one finishes; then the "
                "release is superseded.",
                BACK,
            ),
            Cell(
                SERVING,
                "The release before serves again by one switch, and the spec is followed.",
                Outcome("RolledBack", "api:1"),
            ),
        ),
    ),
    Row(
        "The release is aborted",
        abort,
        (
            Cell(
                AT_ONCE,
                "The release ends at once, and its color is scaled to 0.",
                Outcome("Aborted", "api:1", "Aborted"),
            ),
            Cell(
                ("Backup", "Expand"),
                "A Job whose Pod has not started is deleted, another one finishes; then the "
                "release ends.",
                Outcome("Aborted", "api:1", "Aborted"),
            ),
            Cell(("Watch",), "The release before serves again by one switch.", ROLLED_BACK),
            Cell(
                ("Drain", "Warm"),
                "Too late: it is ignored, and the record says to roll back.",
                DONE,
            ),
        ),
    ),
    Row(
        "The BookStore is paused and resumed",
        pause,
        (
            Cell(
                ALL[:-3],
                "Nothing changes, and no time limit runs, until it is resumed; an abort is "
                "carried out.",
                DONE,
            ),
            Cell(("Watch",), "The release is still judged, and rolled back if it is bad.", DONE),
            Cell(("Drain", "Warm"), "The old color keeps running until it is resumed.", DONE),
        ),
    ),
    Row(
        "The promotion is approved",
        approve,
        (
            Cell(
                BEFORE_SWITCH[:-2],
                "Early: it counts once the release is verified.",
                DONE,
            ),
            Cell(("Approve",), "Users are sent to the release.", DONE),
            Cell(("Switch", *SERVING), "Late: it changes nothing.", DONE),
        ),
    ),
    Row(
        "The BookStore is deleted",
        delete,
        (
            Cell(
                ALL,
                "Kubernetes deletes the release with all that it owns, whether the operator runs "
                "or not.",
                None,
            ),
        ),
    ),
    Row(
        "The operator is killed",
        kill,
        (
            Cell(
                BEFORE_SWITCH,
                "The next one goes on from the record; no Job is made twice.",
                DONE,
            ),
            Cell(
                ("Watch",),
                "The next one goes on with what was counted in the record.",
                DONE,
            ),
            Cell(("Drain", "Warm"), "The next one goes on; the times are in the record.", DONE),
        ),
    ),
    Row(
        "The Job is evicted or deleted",
        lose_jobs,
        (
            Cell(("Validate", "Compatible", "Budget", "Verify"), "The check is repeated.", DONE),
            Cell(("Backup",), "Another backup is made.", DONE),
            Cell(
                ("Expand",),
                "It counts as a failed attempt, and the migration is repeated.",
                DONE,
            ),
            Cell(
                ("Start", "Approve", "Switch", *SERVING),
                "No Job is needed any more: the record has the results.",
                DONE,
            ),
        ),
    ),
    Row(
        "The new color is lost",
        lose_green,
        (
            Cell(
                BEFORE_SWITCH[:5],
                "It does not exist yet: the release fails later, in Start.",
                FAILED,
            ),
            Cell(
                ("Start", "Verify", "Switch"),
                "The release fails after rollout.progressDeadlineSeconds.",
                FAILED,
            ),
            Cell(
                ("Approve",),
                "The release goes back to Start, and fails after rollout.progressDeadlineSeconds "
                "if the color does not come back.",
                FAILED,
            ),
            Cell(("Watch",), "The release before serves again by one switch.", ROLLED_BACK),
            Cell(
                ("Drain", "Warm"),
                "Nothing is switched without a person: Available is False, and a rollback is one "
                "switch.",
                Outcome("Succeeded", "api:2", "NoPodAvailable"),
            ),
        ),
    ),
    Row(
        "The old color is lost",
        lose_blue,
        (
            Cell(
                BEFORE_SWITCH,
                "Users are not served; the release goes on, since it may be what helps.",
                DONE,
            ),
            Cell(
                ("Watch",),
                "The release stays: users can't be sent back.",
                DONE,
            ),
            Cell(("Drain", "Warm"), "A rollback is a new release.", DONE),
        ),
    ),
    Row(
        "The database is away for a minute",
        lose_database,
        (
            Cell(
                ("Backup", "Expand"),
                "The stage waits for it, until rollout.progressDeadlineSeconds at most.",
                DONE,
            ),
            Cell(
                AT_ONCE,
                "The Pods of both colors are not ready; the stage goes on when they are.",
                DONE,
            ),
            Cell(
                SERVING,
                "The Pods of both colors are not ready, so nothing is switched; users are served "
                "when it is back.",
                DONE,
            ),
        ),
    ),
    Row(
        "An autoscaler changes the size",
        resize,
        (
            Cell(
                ALL[:-3],
                "The new color follows the size of the one that serves before users are sent to "
                "it.",
                Outcome("Succeeded", size=5),
            ),
            Cell(
                SERVING,
                "The autoscaler scales the new color, and the old one follows while it is kept.",
                Outcome("Succeeded", size=5),
            ),
        ),
    ),
    Row(
        "Autoscaling is added and removed",
        add_and_remove_autoscaling,
        (
            Cell(
                ALL,
                "It is no release: the one HorizontalPodAutoscaler targets the color that serves, "
                "and spec.replicas counts again without it.",
                Outcome("Succeeded", size=4),
            ),
        ),
    ),
    Row(
        "A node is drained",
        drain_node,
        (
            Cell(
                BEFORE_SWITCH[:5],
                "Pods are replaced; a Job's attempt is repeated.",
                DONE,
            ),
            Cell(
                ("Start", "Verify", "Approve", "Switch"),
                "Pods are replaced; users are sent to the release only once all of its Pods are "
                "available.",
                DONE,
            ),
            Cell(SERVING, "Pods are replaced; the disruption budget keeps users served.", DONE),
        ),
    ),
    Row(
        "Two more releases are asked for",
        ask_twice,
        (
            Cell(
                BEFORE_SWITCH,
                "Only the last one is released: those before are superseded.",
                Outcome("Superseded", "api:4"),
            ),
            Cell(
                SERVING,
                "Only the last one is released, as if the spec had been changed once.",
                Outcome("Succeeded", "api:4"),
            ),
        ),
    ),
    Row(
        "A newer operator wrote the record and is gone",
        run_newer_operator,
        (
            Cell(
                BEFORE_SWITCH,
                "The release takes no further step, and says so; what serves is kept right.",
                Outcome(None, "api:1", "RecordInvalid"),
            ),
            Cell(
                SERVING,
                "The release serves and takes no further step, and says so.",
                Outcome("Promoted", "api:2", "RecordInvalid"),
            ),
        ),
    ),
)


def cells() -> Iterator[tuple[Row, str, Cell]]:
    """Yield each cell of the table."""
    for row in ROWS:
        for cell in row.cells:
            for stage in cell.stages:
                yield row, stage, cell


def markdown() -> str:
    """Return the table as docs/reference/releases.md has it."""
    lines = ["| event | at stage | what happens |", "| --- | --- | --- |"]
    for row in ROWS:
        for index, cell in enumerate(row.cells):
            name = row.event if index == 0 else ""
            lines.append(f"| {name} | {', '.join(cell.stages)} | {cell.text} |")
    return "\n".join(lines)
