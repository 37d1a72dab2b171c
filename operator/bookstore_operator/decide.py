"""Decide what to do from what is observed, without I/O and without a clock.

A reconciliation is a straight line: read this from top to bottom.
"""

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
    """Return the Plan for a BookStore. `now` is truncated to whole seconds."""
    visit = Visit(now.replace(microsecond=0))
    if snapshot.store.metadata.deletion_timestamp:
        return Plan()  # Kubernetes deletes its objects, whether the operator runs or not
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
    store_report = report(ahead, blocking, visit, changes=len(changes))
    release_report = records(snapshot, progress)
    return Plan(
        actions=(*store_report.actions, *release_report.actions, *changes),
        events=(*release_report.events, *store_report.events),
        requeue_after=look_again_after(ahead, blocking, visit),
    )
