"""From what is observed to what is to be done, with no I/O and no clock.

Read this from top to bottom: a reconcile is a straight line.
"""

from __future__ import annotations

from datetime import datetime

from bookstore_operator.components.backup.ensure import ensure_backups
from bookstore_operator.components.cache.ensure import ensure_cache
from bookstore_operator.components.database.ensure import ensure_database
from bookstore_operator.components.network.ensure import ensure_network_policies
from bookstore_operator.components.serving.ensure import ensure_serving
from bookstore_operator.components.staff.ensure import ensure_staff_token
from bookstore_operator.core.gate import Passed
from bookstore_operator.core.plan import Plan
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.releases.lifecycle import advance
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.retention import old_releases, stale_jobs
from bookstore_operator.status.report import look_again_after, records, report

__all__ = ["decide"]


def decide(snapshot: Snapshot, now: datetime) -> Plan:
    """Return what to do next about a BookStore. `now` is counted in whole seconds."""
    now = now.replace(microsecond=0)
    if snapshot.store.metadata.deletion_timestamp:
        return Plan()  # what it owns is collected by Kubernetes, with the operator up or down
    if snapshot.store.spec.paused:
        said = report(Progress(snapshot, Passed()), now, changes=0)
        return Plan(said.actions, said.events)
    progress = advance(snapshot, now)
    changes = (
        # First what serves: an action that is refused holds up those behind it.
        *ensure_serving(progress.snapshot),
        *ensure_database(snapshot),
        *ensure_staff_token(snapshot),
        *ensure_network_policies(snapshot),
        *progress.actions,
        *ensure_cache(progress.snapshot),
        *ensure_backups(snapshot),
        *stale_jobs(snapshot),
        *old_releases(progress.snapshot),
    )
    said = report(progress, now, changes=len(changes))
    recorded = records(snapshot, progress)
    return Plan(
        actions=(*said.actions, *recorded.actions, *changes),
        events=(*recorded.events, *said.events),
        requeue_after=look_again_after(progress, now),
    )
