"""A release walks through the list of stages (crd/stages.py), each in the file of its name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import TypeAlias

from bookstore_operator.core import history
from bookstore_operator.core.gate import Failed, Passed
from bookstore_operator.core.plan import Action
from bookstore_operator.core.records import recorded
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.crd.stages import Stage, stages_from
from bookstore_operator.releases import stages
from bookstore_operator.releases.progress import Progress

StageRun: TypeAlias = Callable[[Snapshot, BookStoreRelease, Visit], Progress]


def walk(snapshot: Snapshot, visit: Visit) -> Progress:
    """Take the newest release from its recorded stage as far as it comes.

    It begins at the recorded stage, not at the first: what a stage waited for may be gone when it
    is passed (a Job deleted by hand), and the schema of a release must not be migrated twice.
    """
    release = _newest(snapshot)
    actions: list[Action] = []
    for stage in stages_from(release.status.stage):
        snapshot = _entered(snapshot, stage, visit.now)
        progress = run_of(stage)(snapshot, _newest(snapshot), visit)
        snapshot, answer = progress.snapshot, progress.answer
        actions = [*actions, *progress.actions]
        if isinstance(answer, Failed):
            return Progress(_failed(snapshot, answer), answer, ())
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer, tuple(actions))
    return Progress(snapshot, Passed(), tuple(actions))


def run_of(stage: Stage) -> StageRun:
    """Return what a stage does: the function that bears its name, in its file.

    Bound when it is needed, and not by imports here: a new stage is a file, and a line of the list.
    """
    run: StageRun = getattr(import_module(f"{stages.__name__}.{stage.module}"), stage.module)
    return run


def _newest(snapshot: Snapshot) -> BookStoreRelease:
    release = history.newest(snapshot)
    if release is None:
        raise ValueError("there is no release to take further")
    return release


def _entered(snapshot: Snapshot, stage: Stage, now: datetime) -> Snapshot:
    release = _newest(snapshot)
    if release.status.stage == stage.name:
        return snapshot
    return recorded(snapshot, release, stage=stage.name, stage_started_at=now)


def _failed(snapshot: Snapshot, failure: Failed) -> Snapshot:
    release = _newest(snapshot)
    again = (
        f"{failure.message} To retry, delete BookStoreRelease {release.name}; "
        "to release something else, change the BookStore."
    )
    return recorded(snapshot, release, result=Result.FAILED, reason=failure.reason, message=again)
