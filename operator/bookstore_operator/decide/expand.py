"""Stage Expand: bring the schema to where both the old and the new code can work with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from bookstore_operator.build.migration import expand_job
from bookstore_operator.components.cache.gate import cache_known
from bookstore_operator.components.database.gate import database_ready
from bookstore_operator.components.staff.gate import staff_known
from bookstore_operator.core.gate import Answer, Failed, Passed
from bookstore_operator.core.plan import Action, Create
from bookstore_operator.core.records import recorded
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.decide.progress import Progress
from bookstore_operator.gates.migration import migration_done, no_other_migration
from bookstore_operator.releases.migrations import migrations_of
from bookstore_operator.workloads.jobs import Ending

Gate: TypeAlias = Callable[[Snapshot, datetime], Answer]

AFTER: tuple[Gate, ...] = (staff_known, cache_known)
BEFORE: tuple[Gate, ...] = (database_ready, *AFTER, no_other_migration)


def expand(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Progress:
    """Run one migration Job after the other until one has succeeded or enough have failed."""
    snapshot = _recorded(snapshot, release)
    done = migration_done(snapshot, now)
    if isinstance(done, Failed) or _running(snapshot, release):
        return Progress(snapshot, done)
    # What the Pods mount is asked for before anything is changed, and again before they start.
    for gate in AFTER if isinstance(done, Passed) else BEFORE:
        answer = gate(snapshot, now)
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer)
    if isinstance(done, Passed):
        return Progress(snapshot, done)
    if done.until and now < done.until:
        return Progress(snapshot, done)
    return Progress(snapshot, done, (_next_try(snapshot, release),))


def _running(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    return any(tried.ending is Ending.RUNNING for tried in migrations_of(snapshot, release))


def _recorded(snapshot: Snapshot, release: BookStoreRelease) -> Snapshot:
    """Record how often it was tried, and the schema that came of it."""
    tried = migrations_of(snapshot, release)
    if not tried:
        return snapshot
    attempts = max(release.status.attempts, tried[-1].attempt)
    schema = list(tried[-1].schema_after) or release.status.schema_revisions
    return recorded(snapshot, release, attempts=attempts, schema_revisions=schema)


def _next_try(snapshot: Snapshot, release: BookStoreRelease) -> Action:
    tried = migrations_of(snapshot, release)
    attempt = max(release.status.attempts, tried[-1].attempt if tried else 0) + 1
    job = expand_job(snapshot.store, release, attempt)
    return Create(job, "Migrate", f"Expand the schema for {release.name}, attempt {attempt}.")
