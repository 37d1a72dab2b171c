"""The list of stages, which serving, conditions, events and the demo read."""

import pytest

from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.stages import (
    STAGES,
    find_stage,
    is_expanded,
    needs_idle_color,
    stages_from,
    stages_until_switch,
)

pytestmark = pytest.mark.scenario

NAMES = [stage.name for stage in STAGES]
START, SWITCH = NAMES.index("Start"), NAMES.index("Switch")


def test_every_stage_from_start_to_switch_keeps_the_idle_color_and_no_other_does() -> None:
    """A green that a release has left would hold connections through the next migration."""
    keeping = [stage.name for stage in STAGES if stage.needs_idle_color]
    assert keeping == NAMES[START : SWITCH + 1]
    assert [name for name in NAMES if needs_idle_color(name)] == keeping
    assert not needs_idle_color(None)
    assert needs_idle_color("OfANewerOperator")


def test_the_schema_is_migrated_when_all_that_migrates_before_start_is_behind() -> None:
    last = max(index for index, stage in enumerate(STAGES[:START]) if stage.touches_database)
    assert [name for name in NAMES if is_expanded(name)] == NAMES[last + 1 :]
    assert not is_expanded(None)


def test_stages_until_the_switch_are_all_that_a_release_passes_before_users_see_it() -> None:
    assert [stage.name for stage in stages_until_switch()] == NAMES[: SWITCH + 1]


def test_a_deadline_is_a_field_of_the_spec() -> None:
    spec = BookStoreSpec.model_validate(
        {"image": "api:1", "rollout": {"progressDeadlineSeconds": 77}}
    )
    for stage in STAGES:
        seconds = stage.deadline_seconds(spec)
        assert (seconds is None) == (stage.deadline is None), stage.name
    start = find_stage("Start")
    assert start is not None
    assert start.deadline_seconds(spec) == 77


def test_a_release_continues_from_its_stage() -> None:
    assert stages_from(None) == STAGES
    assert stages_from("Switch") == STAGES[SWITCH:]
    with pytest.raises(ValueError, match="OfANewerOperator is unknown to this operator"):
        stages_from("OfANewerOperator")
