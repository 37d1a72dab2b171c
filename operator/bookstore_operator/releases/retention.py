"""What is deleted because it is old."""

from __future__ import annotations

from collections.abc import Iterator

from bookstore_operator.core import history
from bookstore_operator.core.ensure import ensure_absent
from bookstore_operator.core.kinds import RELEASES
from bookstore_operator.core.plan import Action, Delete
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.migrations import migrations_of
from bookstore_operator.workloads.jobs import Ending


def old_releases(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the deletion of finished releases beyond the history that is kept."""
    needed = (history.newest(snapshot), history.active(snapshot))
    finished = [
        release
        for release in snapshot.releases
        if release not in needed and not _still_warm(snapshot, release)
    ]
    for release in finished[: -snapshot.store.spec.rollout.history_limit]:
        key = RELEASES.ref(release.name)
        yield Delete(key, release.metadata.uid, "Delete", f"{release.name} is beyond the history.")


def _still_warm(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    return history.draining(snapshot) and release.status.demoted_at is None


def stale_jobs(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the deletion of migration Jobs that say nothing any more.

    A database that can't be reached is tried again for ever: only the last such Job is kept. Those
    that count stay, for they are what is counted.
    """
    newest = history.newest(snapshot)
    for tried in migrations_of(snapshot, newest)[:-1] if newest else ():
        if tried.ending is Ending.FAILED and not tried.counts:
            yield from ensure_absent(tried.job, "it was tried again.")
