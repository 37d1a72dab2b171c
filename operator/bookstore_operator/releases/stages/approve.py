"""Stage Approve: users are sent to a verified release when a person, or the time, has said so.

Waiting for a person has no deadline, and no deadline of another stage passes meanwhile. A color
that is lost in the meantime goes back to Start, whose deadline counts from then.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from bookstore_operator.backups.health import of_current_database
from bookstore_operator.components.database.identity import is_whole
from bookstore_operator.components.database.servers import (
    changes_database,
    database_of,
    server_of,
)
from bookstore_operator.components.serving.availability import deployment_of, problem_of, runs
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history, names
from bookstore_operator.core.clock import stage_clock
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.restore import BookStoreRestore
from bookstore_operator.crd.spec.rollout import Promotion
from bookstore_operator.releases.progress import Progress
from bookstore_operator.workloads import pod_problems


def approve(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Wait for the approval. Serving keeps the release's color at the live size meanwhile."""
    answer = visit.ask(approved, snapshot)
    if isinstance(answer, Passed):
        return Progress(snapshot, answer)
    if lost := _lost(snapshot, release, visit.now):
        back = update_status(snapshot, release, stage="Start", stage_started_at=visit.now)
        return Progress(back, lost)
    return Progress(snapshot, answer)


def approved(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the newest release is approved, or needs no approval."""
    release = history.newest(snapshot)
    if release is None:
        return Waiting(Reason.RELEASING, "There is no release yet.")
    first, asked_for = history.active(snapshot) is None, release.spec.overrides
    if release.spec.approved or first:
        return Passed()
    if changes_database(snapshot, release):
        return _other_database(snapshot, release)
    if asked_for:
        return Passed()
    return _ANSWERS[snapshot.store.spec.rollout.promotion](snapshot, release, now)


def _automatic(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Answer:
    del snapshot, release, now
    return Passed()


def _after(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Answer:
    seconds = snapshot.store.spec.rollout.promote_after_seconds
    end = stage_clock(release, now) + timedelta(seconds=seconds)
    if now >= end:
        return Passed()
    message = (
        f"{release.name} is promoted at {end:%H:%M:%S}Z (spec.rollout.promoteAfterSeconds). "
        f"{_commands(snapshot)}"
    )
    return Waiting(Reason.PROMOTION_DELAYED, message, end)


def _manual(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Answer:
    del now
    message = (
        f"Waiting for the approval of {release.name} ({release.spec.intent.get('image', '')}), "
        f"without a time limit. {_commands(snapshot)}"
    )
    return Waiting(Reason.WAITING_FOR_APPROVAL, message)


def _other_database(snapshot: Snapshot, release: BookStoreRelease) -> Waiting:
    """Return the wait for a person: what is written until the switch stays in the old database."""
    message = (
        f"{release.name} uses another database than the one that serves, so a person must approve "
        f"it, whatever spec.rollout.promotion says. {_left_behind(snapshot, release)} It is waited "
        f"for without a time limit. {_commands(snapshot)}"
    )
    return Waiting(Reason.WAITING_FOR_APPROVAL, message)


def _left_behind(snapshot: Snapshot, release: BookStoreRelease) -> str:
    """Return what the other database does not have, as far as it is known."""
    server = server_of(snapshot.store.name, database_of(release))
    restore = next(
        (
            r
            for r in snapshot.restores
            if server and server.restore == r.name and is_whole(snapshot, r)
        ),
        None,
    )
    until = restore.status.data_until if restore else None
    if restore is None or until is None:
        return (
            "What was written to the database that serves, and is not in the other one, stays "
            "behind in it, as does all that is written before the switch."
        )
    return (
        f"It has the data of backup {restore.status.backup}, which began at "
        f"{until:%Y-%m-%d %H:%M:%S} UTC: what was written since then, and is written before the "
        f"switch, stays behind in the database that serves now. {_counted(snapshot, restore)}That "
        "one is kept, and a rollback goes back to it."
    )


def _counted(snapshot: Snapshot, restore: BookStoreRestore) -> str:
    """Return how many rows there were, as far as backups say it, as a sentence; else nothing.

    Rows can be changed without being more, so equal numbers prove nothing.
    """
    newest = next(iter(of_current_database(snapshot)), None)
    same = [r for r in snapshot.backups if r.status.backup == restore.status.backup]
    then = next((r.status.rows for r in same if r.status.rows is not None), None)
    if newest is None or then is None or newest.status.rows is None or newest in same:
        return ""
    began = newest.status.started_at
    return (
        f"It has {then} rows; the last backup of the database that serves, {newest.name}, which "
        f"began at {began:%Y-%m-%d %H:%M:%S} UTC, has {newest.status.rows}. "
    )


_ANSWERS: dict[Promotion, Callable[[Snapshot, BookStoreRelease, datetime], Answer]] = {
    Promotion.AUTOMATIC: _automatic,
    Promotion.AFTER: _after,
    Promotion.MANUAL: _manual,
}


def _commands(snapshot: Snapshot) -> str:
    name = snapshot.store.name
    return (
        f"To promote it now: kubectl bookstore approve {name}. To discard it: kubectl bookstore "
        f"abort {name}."
    )


def _lost(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Waiting | None:
    """Return why the release's color must start again; None if it only changes its size."""
    deployment, problem = deployment_of(snapshot, release), problem_of(snapshot, release, now)
    available = (deployment or {}).get("status", {}).get("availableReplicas", 0)
    runs_release = deployment is not None and runs(deployment, release)
    healthy = problem is None or not problem.serious
    if runs_release and healthy and (available or not live_size(snapshot)):
        return None
    name = names.deployment(snapshot.store.name, release.spec.color)
    message = (
        f"{release.name} was waiting for its approval and goes back to stage Start: {available} of "
        f"{live_size(snapshot)} Pods of Deployment {name} are available."
    )
    return pod_problems.wait_for_pods(Reason.STARTING, message, problem)
