"""From what is observed to what is to be done, with no I/O and no clock.

Read this from top to bottom: a reconcile is a straight line.
"""

from __future__ import annotations

from datetime import datetime

from bookstore_operator.components import ensure_components
from bookstore_operator.core.gate import Passed
from bookstore_operator.core.plan import Plan
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.releases.lifecycle import advance
from bookstore_operator.releases.retention import old_releases, stale_jobs
from bookstore_operator.status.conditions import blocking_answer
from bookstore_operator.status.report import look_again_after, records, report


def decide(snapshot: Snapshot, now: datetime) -> Plan:
    """Return what to do next about a BookStore. `now` is counted in whole seconds."""
    visit = Visit(now.replace(microsecond=0))
    if snapshot.store.metadata.deletion_timestamp:
        return Plan()  # what it owns is collected by Kubernetes, with the operator up or down
    if snapshot.store.spec.paused:
        blocking = blocking_answer(snapshot, Passed(), visit)
        return Plan(*report(snapshot, blocking, visit, changes=0))
    progress = advance(snapshot, visit)
    ahead = progress.snapshot
    changes = (
        *ensure_components(ahead, holding_release=True),
        *progress.actions,
        *ensure_components(ahead, holding_release=False),
        *stale_jobs(ahead),
        *old_releases(ahead),
    )
    blocking = blocking_answer(ahead, progress.answer, visit)
    reported = report(ahead, blocking, visit, changes=len(changes))
    recorded = records(snapshot, progress)
    return Plan(
        actions=(*reported.actions, *recorded.actions, *changes),
        events=(*recorded.events, *reported.events),
        requeue_after=look_again_after(ahead, blocking, visit),
    )
