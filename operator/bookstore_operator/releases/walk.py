"""Take a release through the list of stages (crd/stages.py)."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import TypeAlias

from bookstore_operator.core import history
from bookstore_operator.core.gate import Failed, Passed, Waiting
from bookstore_operator.core.plan import Action
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.crd.stages import Stage, find_stage, stages_from
from bookstore_operator.crd.text import fit
from bookstore_operator.releases import stages
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.remigrate import restart_if_replaced

StageRun: TypeAlias = Callable[[Snapshot, BookStoreRelease, Visit], Progress]


def walk(snapshot: Snapshot, visit: Visit) -> Progress:
    """Take the newest release from its recorded stage as far as its gates pass.

    It starts at the recorded stage, not at the first: what an earlier stage waited for may be gone
    (a Job deleted by hand), and the schema of a release must not be migrated twice.
    """
    snapshot = restart_if_replaced(snapshot, _newest(snapshot), visit.now)
    release = _newest(snapshot)
    if unknown := unknown_record(release):
        return Progress(snapshot, unknown)
    actions: list[Action] = []
    for stage in stages_from(release.status.stage):
        snapshot = _enter(snapshot, stage, visit.now)
        progress = run_of(stage)(snapshot, _newest(snapshot), visit)
        snapshot, answer = progress.snapshot, progress.answer
        actions = [*actions, *progress.actions]
        if isinstance(answer, Failed):
            return Progress(_fail(snapshot, answer), answer, ())
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer, tuple(actions), progress.measurements)
    return Progress(snapshot, Passed(), tuple(actions))


def unknown_record(release: BookStoreRelease) -> Waiting | None:
    """Return what to wait for if a record has a word that this operator lacks; else None."""
    stage, result = release.status.stage, release.status.result
    if result is not None and not result.known:
        what = f"has the result {fit(result.value, 63)}"
    elif result in {None, Result.PROMOTED} and stage is not None and find_stage(stage) is None:
        what = f"is at stage {fit(stage, 63)}"
    else:
        return None
    advice = "" if result is Result.PROMOTED else ", or change spec.image to release something else"
    message = (
        f"BookStoreRelease {release.name} {what}, which this operator does not know: a newer one "
        f"wrote it. Run that version of the operator again{advice}. Until then this release takes "
        "no further step."
    )
    return Waiting(Reason.RECORD_INVALID, message, stalled=True)


@cache
def run_of(stage: Stage) -> StageRun:
    """Return the function of a stage: that of its name, in the module of its name.

    Imported by name, so that a new stage needs only its file and its entry in the list.
    """
    run: StageRun = getattr(import_module(f"{stages.__name__}.{stage.module}"), stage.module)
    return run


def _newest(snapshot: Snapshot) -> BookStoreRelease:
    release = history.newest(snapshot)
    if release is None:
        raise ValueError("there is no release to continue")
    return release


def _enter(snapshot: Snapshot, stage: Stage, now: datetime) -> Snapshot:
    release = _newest(snapshot)
    if release.status.stage == stage.name:
        return snapshot
    return update_status(snapshot, release, stage=stage.name, stage_started_at=now)


def _fail(snapshot: Snapshot, failure: Failed) -> Snapshot:
    release = _newest(snapshot)
    message = (
        f"{failure.message} To retry: kubectl bookstore retry {snapshot.store.name}; to release "
        "something else, change the BookStore."
    )
    return update_status(
        snapshot, release, result=Result.FAILED, reason=failure.reason, message=message
    )
