"""Migrate the schema again when the database has become another one.

The release that serves stays as it is: only its migration runs again, in the current database.
"""

from dataclasses import replace
from datetime import datetime

from bookstore_operator.components.database.identity import (
    database_identity,
    describe_replacement,
    is_newer,
    replaced,
)
from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.reasons import WARNING_REASONS, Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.stages import is_expanded
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.stages.expand import expand

FORMER = "former"
"""The recorded identity of a database that was replaced before identities were recorded."""


def record_databases(snapshot: Snapshot) -> Snapshot:
    """Fill in the database in the records of an older operator, which have none."""
    for release in (history.newest(snapshot), history.active(snapshot)):
        current = database_identity(snapshot, release)
        if not current or release is None or release.status.database:
            continue
        if is_expanded(release.status.stage):
            since = release.status.promoted_at or release.status.stage_started_at
            lost = since is not None and is_newer(snapshot, since)
            snapshot = update_status(snapshot, release, database=FORMER if lost else current)
    return snapshot


def remigrate(snapshot: Snapshot, visit: Visit) -> Progress | None:
    """Migrate the current database for the active release; None if there is nothing to do.

    A release in progress or about to begin migrates it anyway: the older code works on its schema.
    """
    active, newest = history.active(snapshot), history.newest(snapshot)
    if active is None or newest is None or not replaced(snapshot, active):
        return None
    if newest.in_flight or (newest == active and not history.matches_spec(snapshot, active)):
        return None
    why = describe_replacement(snapshot, active)
    progress = expand(snapshot, active, visit)
    if not isinstance(progress.answer, Passed):
        return replace(progress, answer=_waiting(why, progress.answer))
    done = find_release(progress.snapshot, active.name)
    return replace(
        progress, snapshot=update_status(progress.snapshot, done, database_replaced_at=visit.now)
    )


def restart_if_replaced(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Snapshot:
    """Return the Snapshot with a release back at its first stage if it must migrate again."""
    if release.in_flight and replaced(snapshot, release) and is_expanded(release.status.stage):
        return update_status(snapshot, release, stage=None, stage_started_at=now)
    return snapshot


def _waiting(why: str, answer: Answer) -> Waiting:
    """Return what the migration waits for, with the reason why it runs again."""
    if isinstance(answer, Passed):
        raise TypeError("the migration waits for nothing")
    message = answer.message if answer.message.startswith(why) else f"{why} {answer.message}"
    reason = answer.reason if answer.reason in WARNING_REASONS else Reason.DATABASE_REPLACED
    if isinstance(answer, Waiting):
        return replace(answer, reason=reason, message=message)
    return Waiting(reason, message, stalled=True)
