"""What a write of a release's status says of its progress. Pure."""

from typing import NamedTuple

from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.release import Result
from bookstore_operator.crd.stages import find_stage
from bookstore_operator.telemetry.bookstores import OTHER
from bookstore_operator.telemetry.values import timestamp


class Progress(NamedTuple):
    """What a release has come to by one write of its status."""

    stage: str | None = None
    """The stage that it has left for the next; None if it has left none."""
    seconds: float = 0.0
    """How long it was in that stage."""
    result: str | None = None
    """Its new result; None if it has no other than before."""


def progress(before: Manifest, after: Manifest) -> Progress:
    """Return what is new in a release's status.

    Stages that a release enters and leaves in one visit are in no record, and take no time.
    """
    result = after.get("result")
    known = result if result in set(Result) else OTHER
    is_new = result is not None and result != before.get("result")
    stage, seconds = _left(before, after)
    return Progress(stage, seconds, str(known) if is_new else None)


def _left(before: Manifest, after: Manifest) -> tuple[str | None, float]:
    stage = before.get("stage")
    entered, left = timestamp(before.get("stageStartedAt")), timestamp(after.get("stageStartedAt"))
    if not stage or stage == after.get("stage") or entered is None or left is None:
        return None, 0.0
    return (stage if find_stage(stage) else OTHER), max(0.0, left - entered)
