"""Delete old releases, and Jobs that are no longer needed."""

from collections.abc import Iterator

from bookstore_operator.components.backup.schedule import backup_jobs
from bookstore_operator.core import history
from bookstore_operator.core.ensure import ensure_absent
from bookstore_operator.core.kinds import JOBS, RELEASES
from bookstore_operator.core.labels import (
    ATTEMPT_LABEL,
    CHECK_LABEL,
    COMPONENT_LABEL,
    RELEASE_LABEL,
    Component,
)
from bookstore_operator.core.lookup import all_of, label, owned_by
from bookstore_operator.core.plan import Action, Delete, Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.backups import end_kept_backups
from bookstore_operator.releases.checks import find_record
from bookstore_operator.releases.migrations import migrations_of
from bookstore_operator.workloads.jobs import Ending, end_condition, ending_of, is_kept_running


def old_releases(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the deletion of finished releases beyond spec.rollout.historyLimit."""
    used = [r for r in (history.newest(snapshot), history.active(snapshot)) if r]
    overruled = {release.spec.overrides for release in used}
    needed = [*used, *(r for r in snapshot.releases if r.name in overruled)]
    finished = [
        release
        for release in snapshot.releases
        if release not in needed and not _is_draining(snapshot, release)
    ]
    for release in finished[: -snapshot.store.spec.rollout.history_limit]:
        if release.metadata.deletion_timestamp:  # a finalizer of somebody else keeps it
            continue
        key = RELEASES.ref(release.name)
        message = f"{release.name} exceeds spec.rollout.historyLimit."
        yield Delete(key, release.metadata.uid, "Delete", message)


def _is_draining(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    return history.draining(snapshot) and release.status.demoted_at is None


def _abandoned_backups(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the end of backups made for releases that have ended, such as one that is suspended."""
    ended = [release for release in snapshot.releases if not release.in_flight]
    for job in backup_jobs(snapshot):
        mine = any(owned_by(job, release.metadata.uid) for release in ended)
        if mine and ending_of(snapshot, job) is Ending.RUNNING:
            yield from ensure_absent(job, "its release has ended.")


def stale_jobs(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the deletion of migration Jobs that are no longer needed.

    A migration is retried without limit while the database can't be reached: only the last such Job
    is kept. A Job that has ended but for a container that somebody else added would run until its
    time limit. The record has the results of both.
    """
    yield from _abandoned_backups(snapshot)
    yield from end_kept_backups(snapshot)
    newest, active = history.newest(snapshot), history.active(snapshot)
    for release in {r.name: r for r in (newest, active) if r}.values():
        migrations = migrations_of(snapshot, release)
        for migration in migrations:
            retried = migration is not migrations[-1]
            if is_kept_running(snapshot, migration.job):
                yield from ensure_absent(migration.job, "only containers of others still run.")
            elif retried and migration.ending is Ending.FAILED and not migration.counts:
                yield from ensure_absent(migration.job, "it was retried.")


def stale_checks(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the deletion of running Jobs of checks that nobody waits for.

    A check leaves nothing behind, so its Job may be deleted at any time: one whose Pod can't start
    must not stay until its time limit. A Job that ends is kept for a while, for its log, unless
    only a container that somebody else added keeps it from ending.
    """
    releases = {release.name: release for release in snapshot.releases}
    for job in all_of(snapshot, JOBS):
        if label(job, COMPONENT_LABEL) != Component.CHECK or end_condition(job):
            continue
        release = releases.get(label(job, RELEASE_LABEL) or "")
        running = ending_of(snapshot, job) is Ending.RUNNING
        if is_kept_running(snapshot, job):
            yield from ensure_absent(job, "only containers of others still run.")
        elif running and release and not _is_awaited(release, job):
            yield from ensure_absent(job, "nobody waits for its answer.")


def _is_awaited(release: BookStoreRelease, job: Manifest) -> bool:
    record = find_record(release, label(job, CHECK_LABEL) or "")
    if record is None or not release.in_flight:
        return False
    return record.ended_at is None and label(job, ATTEMPT_LABEL) == str(record.attempt)
