"""What the demo reads off a BookStore and its releases."""

from typing import Any

import pytest

from bookstore_operator.crd.stages import STAGES
from demo.__main__ import has_metrics
from demo.follow import DRAINED, WATCHED, Progress, entered, progress_of, stages_up_to

pytestmark = pytest.mark.scenario

NAMES = [stage.name for stage in STAGES]
UNTIL_READY = stages_up_to(WATCHED)


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


def at(stage: str, **more: bool) -> Progress:
    return Progress(stage, "", ready=True, stalled=False, **more)


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (at(""), []),
        (at(NAMES[0]), NAMES[:1]),
        (at("Switch"), NAMES[: NAMES.index("Switch") + 1]),
        (at(WATCHED), UNTIL_READY),
        (at(DRAINED), UNTIL_READY),
        (at("OfANewerOperator"), UNTIL_READY),
        (at(WATCHED, complete=True), UNTIL_READY),
    ],
)
def test_stages_that_passed_between_polls_are_shown(progress: Progress, shown: list[str]) -> None:
    assert entered(progress, WATCHED) == shown


@pytest.mark.parametrize(
    ("progress", "passed"),
    [
        (at(""), False),
        (at("Switch"), False),
        (at(WATCHED), False),
        (at(DRAINED), True),
        (at("OfANewerOperator"), True),
        (at(WATCHED, complete=True), True),
    ],
)
def test_a_stage_is_passed_when_a_later_one_is_entered(progress: Progress, passed: bool) -> None:
    assert progress.has_passed(WATCHED) is passed


def test_a_release_that_succeeded_is_complete() -> None:
    succeeded = release(1, "a", "Warm")
    succeeded["status"]["result"] = "Succeeded"
    assert progress_of(store(Ready="True"), [succeeded], "a").complete
    assert not progress_of(store(Ready="True"), [release(1, "a", "Warm")], "a").complete


@pytest.mark.parametrize(
    ("autoscaler", "known"),
    [
        (None, False),
        ({"status": {"conditions": [{"type": "ScalingActive", "status": "False"}]}}, False),
        ({"status": {"conditions": [{"type": "ScalingActive", "status": "True"}]}}, True),
    ],
)
def test_an_autoscaler_has_metrics_when_it_says_so(
    autoscaler: dict[str, Any] | None, known: bool
) -> None:
    assert has_metrics(autoscaler) is known
