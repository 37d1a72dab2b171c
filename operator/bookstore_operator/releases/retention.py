"""Delete old releases and migration Jobs."""

from collections.abc import Iterator

from bookstore_operator.core import history
from bookstore_operator.core.ensure import ensure_absent
from bookstore_operator.core.kinds import RELEASES
from bookstore_operator.core.plan import Action, Delete
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.migrations import migrations_of
from bookstore_operator.workloads.jobs import Ending, is_kept_running


def old_releases(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the deletion of finished releases beyond spec.rollout.historyLimit."""
    needed = (history.newest(snapshot), history.active(snapshot))
    finished = [
        release
        for release in snapshot.releases
        if release not in needed and not _is_draining(snapshot, release)
    ]
    for release in finished[: -snapshot.store.spec.rollout.history_limit]:
        key = RELEASES.ref(release.name)
        message = f"{release.name} exceeds spec.rollout.historyLimit."
        yield Delete(key, release.metadata.uid, "Delete", message)


def _is_draining(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    return history.draining(snapshot) and release.status.demoted_at is None


def stale_jobs(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the deletion of migration Jobs that are no longer needed.

    A migration is retried without limit while the database can't be reached: only the last such Job
    is kept. A Job that has ended but for a container that somebody else added would run until its
    time limit. The record has the results of both.
    """
    newest, active = history.newest(snapshot), history.active(snapshot)
    for release in {r.name: r for r in (newest, active) if r}.values():
        migrations = migrations_of(snapshot, release)
        for migration in migrations:
            retried = migration is not migrations[-1]
            if is_kept_running(snapshot, migration.job):
                yield from ensure_absent(migration.job, "only containers of others still run.")
            elif retried and migration.ending is Ending.FAILED and not migration.counts:
                yield from ensure_absent(migration.job, "it was retried.")
