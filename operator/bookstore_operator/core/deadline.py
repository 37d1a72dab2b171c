"""The deadline of what a release waits for."""

from dataclasses import replace
from datetime import datetime, timedelta

from bookstore_operator.core import history
from bookstore_operator.core.clock import stage_clock
from bookstore_operator.core.gate import Failed, Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.stages import find_stage


def bounded(
    snapshot: Snapshot, release: BookStoreRelease, waiting: Waiting, now: datetime
) -> Waiting | Failed:
    """Return the answer of a stage's gate that waits, with the time limit of the stage.

    After it the release fails if another one serves. A first release keeps waiting, because nothing
    is gained by giving up, but is reported as stalled.
    """
    stage = find_stage(release.status.stage)
    seconds = stage.deadline_seconds(snapshot.store.spec) if stage else None
    if stage is None or seconds is None or not release.in_flight:
        return waiting
    deadline = stage_clock(release, now) + timedelta(seconds=seconds)
    if now < deadline:
        return replace(waiting, until=min(waiting.until or deadline, deadline))
    if history.active(snapshot) is None:
        lasts = f"This has lasted for more than {seconds} s (spec.{stage.deadline})."
        return replace(waiting, message=f"{waiting.message} {lasts}", stalled=True)
    return Failed(
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        f"Stage {stage.name} is not complete within {seconds} s (spec.{stage.deadline}): "
        f"{waiting.message}",
    )
