"""A release, told as a list of stages. A new stage is a file of its own and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias

from bookstore_operator.core import history
from bookstore_operator.core.gate import Failed, Passed
from bookstore_operator.core.plan import Action
from bookstore_operator.core.records import recorded
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease, StageName, Verdict
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.stages.drain import drain
from bookstore_operator.releases.stages.expand import expand
from bookstore_operator.releases.stages.start import start
from bookstore_operator.releases.stages.switch import switch

Stage: TypeAlias = Callable[[Snapshot, BookStoreRelease, datetime], Progress]

STAGES: Mapping[StageName, Stage] = {
    StageName.EXPAND: expand,
    StageName.START: start,
    StageName.SWITCH: switch,
    StageName.DRAIN: drain,
}


def walk(snapshot: Snapshot, now: datetime) -> Progress:
    """Take the newest release from its recorded stage as far as it comes.

    It begins at the recorded stage, not at the first: what a stage waited for may be gone when it
    is passed (a Job deleted by hand), and the schema of a release must not be migrated twice.
    """
    release = _newest(snapshot)
    names = list(STAGES)
    reached = names.index(release.status.stage or names[0])
    actions: list[Action] = []
    for name in names[reached:]:
        snapshot = _entered(snapshot, name, now)
        progress = STAGES[name](snapshot, _newest(snapshot), now)
        snapshot, answer = progress.snapshot, progress.answer
        actions = [*actions, *progress.actions]
        if isinstance(answer, Failed):
            return Progress(_failed(snapshot, answer), answer, ())
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer, tuple(actions))
    return Progress(snapshot, Passed(), tuple(actions))


def _newest(snapshot: Snapshot) -> BookStoreRelease:
    release = history.newest(snapshot)
    if release is None:
        raise ValueError("there is no release to take further")
    return release


def _entered(snapshot: Snapshot, stage: StageName, now: datetime) -> Snapshot:
    release = _newest(snapshot)
    if release.status.stage is stage:
        return snapshot
    return recorded(snapshot, release, stage=stage, stage_started_at=now)


def _failed(snapshot: Snapshot, failure: Failed) -> Snapshot:
    release = _newest(snapshot)
    again = (
        f"{failure.message} To try again, delete BookStoreRelease {release.name}; "
        "to go on, change the BookStore."
    )
    return recorded(snapshot, release, verdict=Verdict.FAILED, reason=failure.reason, message=again)
