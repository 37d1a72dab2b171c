"""What the demo reads off a BookStore and its releases."""

from typing import Any

import pytest

from bookstore_operator.crd.stages import STAGES, stages_until_switch
from demo.follow import progress_of, stages_up_to

pytestmark = pytest.mark.scenario

FIRST = STAGES[0].name
UNTIL_SWITCH = [stage.name for stage in stages_until_switch()]


def store(generation: int = 2, observed: int = 2, **conditions: str) -> dict[str, Any]:
    """Return a BookStore whose conditions have these statuses."""
    listed = [
        {"type": kind, "status": status, "message": f"{kind} is {status}."}
        for kind, status in conditions.items()
    ]
    return {
        "metadata": {"generation": generation},
        "status": {"observedGeneration": observed, "conditions": listed},
    }


def release(revision: int, image: str, stage: str) -> dict[str, Any]:
    """A release of this image at this stage."""
    return {
        "spec": {"revision": revision, "attempt": 1, "intent": {"image": image}},
        "status": {"stage": stage},
    }


def test_the_newest_release_of_the_image_counts() -> None:
    releases = [release(1, "a", "Drain"), release(3, "a", "Start"), release(2, "b", "Drain")]
    progress = progress_of(store(Ready="False", Stalled="False"), releases, "a")
    assert (progress.stage, progress.ready) == ("Start", False)
    assert progress.message == "Ready is False."


def test_ready_of_an_older_generation_is_not_ready() -> None:
    """Just after `kubectl apply` the status still speaks of the image before."""
    before = store(generation=2, observed=1, Ready="True")
    assert not progress_of(before, [release(1, "a", "Drain")], "a").ready
    assert not progress_of(store(Ready="True"), [release(1, "a", "Drain")], "b").ready
    assert progress_of(store(Ready="True"), [release(1, "a", "Drain")], "a").ready


def test_a_stalled_store_reports_the_cause() -> None:
    progress = progress_of(store(Ready="False", Stalled="True"), [release(1, "a", "Start")], "a")
    assert progress.stalled
    assert progress.message == "Stalled is True."


@pytest.mark.parametrize(
    ("stage", "shown"),
    [
        ("", []),
        (FIRST, [FIRST]),
        ("Switch", UNTIL_SWITCH),
        ("Drain", UNTIL_SWITCH),
    ],
)
def test_stages_that_passed_between_polls_are_shown(stage: str, shown: list[str]) -> None:
    assert stages_up_to(stage) == shown
