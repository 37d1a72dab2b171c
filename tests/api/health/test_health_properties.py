"""P4, health accuracy: whatever happens to PostgreSQL and Redis, what is reported of them is true.

Real servers behind real sockets, a real process. After each drawn change the answers must be true
within the documented period, none may take longer than its limit, and liveness never fails.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from bookstore_api.health.probe import CHECK_SECONDS
from tests.support.bookstore import StartProcess
from tests.support.dependencies import (
    CHANGES,
    LIVE_SECONDS,
    PERIOD_SECONDS,
    TOLERANCE_SECONDS,
    Asker,
    Change,
    Truth,
    World,
    running_world,
)
from tests.support.examples import FACTOR, scaled
from tests.support.postgres import OwnPostgres
from tests.support.valkey import Valkey

EXAMPLES = scaled(6)
BY_NAME = {change.name: change for change in CHANGES}


Story = list[list[str]]
# A new connection then takes longer than a check gives to one that it kept.
LOST_WHILE_SLOW: Story = [["database gets slow"], ["database gets its password rotated"]]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw what happens, step by step; each change is possible after those before it."""
    truth, story = Truth(), []
    for _ in range(draw(st.integers(3, 5))):
        step = [draw_change(draw, CHANGES, truth)]
        truth = step[0].then(truth)
        # Two things at once now and then, such as both servers gone.
        if not step[0].alone and draw(st.booleans()):
            step.append(
                draw_change(draw, [change for change in CHANGES if not change.alone], truth)
            )
            truth = step[1].then(truth)
        story.append([change.name for change in step])
    return story


def draw_change(draw: st.DrawFn, among: Sequence[Change], truth: Truth) -> Change:
    """Draw one of the changes that are possible now."""
    return draw(st.sampled_from([change for change in among if change.possible(truth)]))


@pytest.mark.hypothesis
@pytest.mark.timeout(240 * FACTOR)
def test_what_is_said_of_dependencies_is_true(
    start: StartProcess, private_postgres: OwnPostgres, private_valkey: Valkey, tmp_path: Path
) -> None:
    with running_world(private_postgres, private_valkey, tmp_path / "secrets") as world:
        process = start(None, **world.settings).wait_until_ready()
        with Asker(process) as asker:

            @settings(
                max_examples=EXAMPLES,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
                database=None,
            )
            @given(stories())
            @example(LOST_WHILE_SLOW)
            def live_through(story: Story) -> None:
                try:
                    for step in story:
                        take_step(world, asker, step)
                finally:
                    heal(world, asker)

            live_through()
            assert asker.usual_live_seconds < LIVE_SECONDS
        assert not [line for line in process.lines() if line["event"] == "health check failed"]


def take_step(world: World, asker: Asker, step: list[str]) -> None:
    """Make the changes of a step, and wait until the answers tell of them."""
    changes = [BY_NAME[name] for name in step]
    truths, disturbed = [world.truth], False
    for change in changes:
        world.apply(change)
        truths.append(world.truth)
        disturbed = disturbed or change.disturbs
    # Where readiness is not to change it must not flicker either.
    steady = not disturbed and len(frozenset().union(*(t.readiness for t in truths))) == 1
    becomes_true(world, asker, steady=steady, disturbed=disturbed)


def becomes_true(world: World, asker: Asker, *, steady: bool, disturbed: bool) -> None:
    """Ask until all that is said is true, and was found out since; fails when it isn't in time.

    A check that meets a connection that is lost has failed, and only the next one opens another.
    """
    happened = time.monotonic()
    patience = PERIOD_SECONDS + TOLERANCE_SECONDS + (CHECK_SECONDS if disturbed else 0)
    while True:
        asked = time.monotonic()
        answers = asker.ask()
        if steady:
            flickered = f"readiness flickered: {answers} after {world.story}"
            assert answers.ready in world.truth.readiness, flickered
        untrue = world.truth.contradiction(answers)
        if untrue is None and answers.oldest > happened:
            return
        late = asked - happened > patience
        assert not late, f"{untrue or 'old'}, while {world.truth}, after {world.story}"


def heal(world: World, asker: Asker) -> None:
    """Undo all: the process recovers by itself."""
    world.heal()
    becomes_true(world, asker, steady=False, disturbed=True)
    assert world.truth == Truth()
    world.story.clear()
