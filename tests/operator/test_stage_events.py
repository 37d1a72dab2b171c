"""Stages and events: every cell of the table in docs/reference/releases.md is carried out.

`python -m tests.operator.test_stage_events` writes the table again.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.reasons import WAITS_FOR_PERSON, Reason
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.stages import STAGES
from bookstore_operator.decide import evaluate
from tests.support.cases.stage_events import (
    ALL,
    HOLDS,
    ROLLOUT,
    ROWS,
    Cell,
    Row,
    at,
    cells,
    delete,
    lose_green,
    markdown,
    run_newer_operator,
)
from tests.support.examples import scaled
from tests.support.invariants import Invariants
from tests.support.world import World

pytestmark = pytest.mark.scenario

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "releases.md"
BEGIN, END = "<!-- stage-events: begin -->\n", "\n<!-- stage-events: end -->"
LATER = frozenset({"Contract"})
"""Stages that end no release and block none: their own tests have their events."""


def settle(world: World, rounds: int = 400) -> World:
    """Continue until nothing changes, with the invariants after each step."""
    invariants = Invariants()
    for _ in range(rounds):
        moves = world.step()
        invariants.check(world)
        if not moves:
            check_settled(world)
            return world
    raise AssertionError(f"not settled: {world.reconcile().actions}")


def check_settled(world: World) -> None:
    """Check that a settled plan is empty, and that nobody waits for ever unless for a person."""
    decision = evaluate(world.snapshot(), Visit(world.now.replace(microsecond=0)))
    assert decision.plan.actions == ()
    if isinstance(decision.blocking, Waiting):
        assert decision.blocking.stalled or decision.blocking.reason in WAITS_FOR_PERSON


@pytest.mark.parametrize(
    ("row", "stage", "cell"),
    [pytest.param(*c, id=f"{c[0].happen.__name__}-{c[1]}") for c in cells()],
)
def test_a_cell_of_the_table_is_what_happens(row: Row, stage: str, cell: Cell) -> None:
    world = at(stage)
    row.happen(world)
    HOLDS[stage].end(world) if world.has("BookStore", "demo") else None
    if cell.outcome is None:
        kinds = {key.kind for key in world.objects}
        assert not kinds & {"BookStoreRelease", "Deployment", "Job", "Service"}
        return
    if row.happen.__name__ == "lose_green":
        world.broken = {*world.broken, "api:2"}
    settle(world)
    assert world.release("demo-r2").get("result") == cell.outcome.result
    assert world.store["status"]["active"]["image"] == cell.outcome.serves
    assert world.condition("Ready")[1] == cell.outcome.reason, world.message("Ready")
    serving = world.store["status"]["active"]["color"]
    assert world.replicas(serving) == cell.outcome.size
    if cell.outcome.reason in {Reason.SERVING, Reason.ROLLED_BACK, Reason.ABORTED}:
        other = "green" if serving == "blue" else "blue"
        assert not world.has("Deployment", f"demo-{other}") or world.replicas(other) == 0


AGAIN = [row for row in ROWS if row.happen not in {delete, run_newer_operator, lose_green}]


@pytest.mark.invariant
@settings(max_examples=scaled(15), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    stage=st.sampled_from(sorted(HOLDS)),
    events=st.lists(st.sampled_from(AGAIN), min_size=1, max_size=3),
    steps=st.integers(0, 3),
)
def test_whatever_happens_the_next_good_spec_serves(
    stage: str, events: list[Row], steps: int
) -> None:
    """Several events at a stage, in any order and with steps between."""
    world, invariants = at(stage), Invariants()
    for row in events:
        if world.has("BookStoreRelease", "demo-r2"):
            row.happen(world)
        for _ in range(steps):
            world.step()
            invariants.check(world)
    HOLDS[stage].end(world)
    world.broken = set()
    settle(world)
    world.change(image="api:9", rollout=ROLLOUT)
    settle(world)
    assert world.condition("Ready") == ("True", "Serving"), world.message("Ready")
    assert world.store["status"]["active"]["image"] == "api:9"


def test_every_event_has_a_cell_for_every_stage() -> None:
    stages = {stage.name for stage in STAGES} - LATER
    assert set(ALL) == set(HOLDS) == stages
    rows: dict[str, list[str]] = {}
    for row, stage, _ in cells():
        rows.setdefault(row.event, []).append(stage)
    for event, covered in rows.items():
        assert sorted(covered) == sorted(stages), event


def test_the_page_has_the_table() -> None:
    page = PAGE.read_text()
    assert page.partition(BEGIN)[2].partition(END)[0] == markdown()


if __name__ == "__main__":
    head, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(head + BEGIN + markdown() + END + rest.partition(END)[2])
