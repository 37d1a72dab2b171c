"""Decide what to do from what is observed, without I/O and without a clock.

A reconciliation is a straight line: read this from top to bottom.
"""

from datetime import datetime
from typing import NamedTuple

from bookstore_operator.components import ensure_components, ensure_known_components
from bookstore_operator.components.serving.availability import problem_of
from bookstore_operator.core import history
from bookstore_operator.core.clock import hold
from bookstore_operator.core.gate import Answer, Passed
from bookstore_operator.core.kinds import target_of
from bookstore_operator.core.plan import Plan
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Blocker, Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.releases.lifecycle import advance
from bookstore_operator.releases.retention import old_releases, stale_jobs
from bookstore_operator.status.conditions import blocking_answer
from bookstore_operator.status.report import look_again_after, records, report


class Decision(NamedTuple):
    """What to do, and what it is that the BookStore waits for."""

    plan: Plan
    blocking: Answer
    """The answer of what blocks the BookStore most; Passed if nothing does."""


def decide(snapshot: Snapshot, now: datetime) -> Plan:
    """Return the Plan for a BookStore. `now` is truncated to whole seconds."""
    return evaluate(snapshot, Visit(now.replace(microsecond=0))).plan


def evaluate(snapshot: Snapshot, visit: Visit) -> Decision:
    """Return the Decision about a BookStore; the visit has the answers of its gates."""
    if snapshot.store.metadata.deletion_timestamp:
        # Kubernetes deletes its objects, whether the operator runs or not.
        return Decision(Plan(), Passed())
    if snapshot.store.spec.paused:
        blocking = blocking_answer(snapshot, Passed(), visit)
        return Decision(Plan(*report(snapshot, blocking, visit, changes=0)), blocking)
    if snapshot.blocker:
        return _keep_running(snapshot, snapshot.blocker, visit)
    held = hold(snapshot, visit.now, _held_since(snapshot, visit))
    progress = advance(held, visit)
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
    plan = Plan(
        actions=(*store_report.actions, *release_report.actions, *changes),
        events=(*release_report.events, *store_report.events),
        requeue_after=look_again_after(ahead, blocking, visit),
    )
    return Decision(plan, blocking)


def _keep_running(snapshot: Snapshot, blocker: Blocker, visit: Visit) -> Decision:
    """Return the Decision about a BookStore whose next step is unknown: repairs and a report."""
    changes = tuple(ensure_known_components(snapshot, blocker))
    blocking = blocking_answer(snapshot, Passed(), visit)
    store_report = report(snapshot, blocking, visit, changes=len(changes))
    plan = Plan(
        actions=(*store_report.actions, *changes),
        events=store_report.events,
        requeue_after=look_again_after(snapshot, blocking, visit),
    )
    return Decision(plan, blocking)


def _held_since(snapshot: Snapshot, visit: Visit) -> datetime | None:
    """Return since when the API server keeps the release from progressing; None: it does not."""
    if rejection := snapshot.rejection:
        optional = {target_of(a) for a in ensure_components(snapshot, holding_release=False)}
        return None if rejection.target in optional else rejection.since or visit.now
    newest = history.newest(snapshot)
    problem = problem_of(snapshot, newest, visit.now) if newest and newest.in_flight else None
    return visit.now if problem and problem.reason is Reason.WEBHOOK_FAILED else None
