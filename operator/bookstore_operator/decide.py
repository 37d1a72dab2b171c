"""Decide what to do from what is observed, without I/O and without a clock.

A reconciliation is a straight line: read this from top to bottom.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from bookstore_operator.backups.final import ensure_finalizer, finish, is_held
from bookstore_operator.backups.lifecycle import advance_backups, without_new_records
from bookstore_operator.components import ensure_components, ensure_known_components
from bookstore_operator.components.serving.availability import problem_of
from bookstore_operator.components.serving.ensure import ensure_serving
from bookstore_operator.components.signing_keys.ensure import advance_keys
from bookstore_operator.core import history
from bookstore_operator.core.clock import correct_times, hold
from bookstore_operator.core.gate import Answer, Passed
from bookstore_operator.core.kinds import target_of
from bookstore_operator.core.plan import Action, Plan
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Blocker, Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.releases.lifecycle import act_while_paused, advance
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.retention import old_releases, stale_checks, stale_jobs
from bookstore_operator.restores.lifecycle import advance_restores
from bookstore_operator.status.conditions import blocking_answer
from bookstore_operator.status.report import look_again_after, records, report
from bookstore_operator.status.unobserved import report_unobserved


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
        return _finish(snapshot, visit) if is_held(snapshot) else Decision(Plan(), Passed())
    if snapshot.store.spec.paused:
        return _pause(snapshot, visit)
    if snapshot.blocker:
        return _keep_running(snapshot, snapshot.blocker, visit)
    timed = correct_times(snapshot, visit.now)
    held = hold(timed, visit.now, _held_since(timed, visit))
    progress = advance(held, visit)
    ahead = progress.snapshot
    changes = (
        *ensure_components(ahead, holding_release=True),
        *progress.actions,
        *ensure_components(ahead, holding_release=False),
        *stale_jobs(ahead),
        *stale_checks(ahead),
        *old_releases(ahead),
        *ensure_finalizer(ahead),
    )
    backups = advance_backups(ahead, visit)
    ahead = backups.snapshot
    restores = advance_restores(ahead, visit.now)  # last: they must not keep anything from serving
    changes += restores.actions
    keys = advance_keys(ahead, visit.now)
    blocking = blocking_answer(ahead, progress.answer, visit)
    store_report = report(ahead, blocking, visit, changes=len(changes))
    release_report = records(snapshot, progress)
    look_again = look_again_after(ahead, blocking, visit, store_report, also=backups.look_again)
    plan = Plan(
        actions=(
            *store_report.actions,
            *release_report.actions,
            *changes,
            *backups.records,
            *backups.jobs,
            *keys.actions,
        ),
        events=(
            *release_report.events,
            *backups.events,
            *store_report.events,
            *restores.events,
            *keys.events,
        ),
        transitions=store_report.events,
        requeue_after=_sooner(_sooner(look_again, restores.look_again, visit), keys.due, visit),
        measurements=(*progress.measurements, *keys.measurements),
    )
    return Decision(plan, blocking)


def _sooner(delay: timedelta | None, due: datetime | None, visit: Visit) -> timedelta | None:
    """Return the shorter of a delay and the time until something is due, at least 1 s."""
    if due is None:
        return delay
    until = max(due - visit.now, timedelta(seconds=1))
    return min(delay, until) if delay else until


def _finish(snapshot: Snapshot, visit: Visit) -> Decision:
    """Return the Decision about a BookStore that is deleted after a final backup."""
    backups = advance_backups(snapshot, visit)
    final = finish(backups.snapshot, visit.now)
    store_report = Plan()
    if waiting := final.waiting:
        metadata, status = snapshot.store.metadata, snapshot.store.status.manifest()
        manifest = {"metadata": metadata.manifest(), "status": status}
        store_report = report_unobserved(manifest, waiting, visit.now)
    plan = Plan(
        actions=(*store_report.actions, *backups.records, *backups.jobs, *final.actions),
        events=(*backups.events, *final.events, *store_report.events),
        requeue_after=_sooner(
            _sooner(None, waiting.until if waiting else None, visit), backups.look_again, visit
        ),
    )
    return Decision(plan, final.waiting or Passed())


def _pause(snapshot: Snapshot, visit: Visit) -> Decision:
    """Return the Decision about a paused BookStore: a report, and what a pause does not hold back.

    The clock of the release's stage stops. An abort is carried out, as is a switch back: users must
    not stay on a release that is known to be bad until somebody resumes.
    """
    held = snapshot if snapshot.blocker else hold(snapshot, visit.now, visit.now)
    urgent = None if snapshot.blocker else act_while_paused(held, visit)
    progress = urgent or Progress(held, Passed())
    changes = (*progress.actions, *_switch_while_paused(snapshot, progress.snapshot))
    backups = without_new_records(snapshot, advance_backups(progress.snapshot, visit))
    ahead = backups.snapshot
    blocking = blocking_answer(ahead, Passed(), visit)
    store_report = report(ahead, blocking, visit, changes=len(changes))
    release_report = records(snapshot, progress)
    plan = Plan(
        actions=(
            *store_report.actions,
            *release_report.actions,
            *changes,
            *backups.records,
        ),
        events=(*release_report.events, *backups.events, *store_report.events),
        transitions=store_report.events,
        requeue_after=look_again_after(ahead, progress.answer, visit, store_report),
        measurements=progress.measurements,
    )
    return Decision(plan, blocking)


def _switch_while_paused(before: Snapshot, after: Snapshot) -> tuple[Action, ...]:
    """Return what makes serving follow a decision that a pause does not hold back."""
    results = [release.status.result for release in before.releases]
    decided = results != [release.status.result for release in after.releases]
    back = history.draining(after) and history.rolled_back(after)
    return tuple(ensure_serving(after)) if decided or back else ()


def _keep_running(snapshot: Snapshot, blocker: Blocker, visit: Visit) -> Decision:
    """Return the Decision about a BookStore whose next step is unknown: repairs and a report."""
    changes = tuple(ensure_known_components(snapshot, blocker))
    blocking = blocking_answer(snapshot, Passed(), visit)
    store_report = report(snapshot, blocking, visit, changes=len(changes))
    plan = Plan(
        actions=(*store_report.actions, *changes),
        events=store_report.events,
        transitions=store_report.events,
        requeue_after=look_again_after(snapshot, blocking, visit, store_report),
    )
    return Decision(plan, blocking)


def _held_since(snapshot: Snapshot, visit: Visit) -> datetime | None:
    """Return since when the API server keeps the release from progressing; None: it does not."""
    if rejection := snapshot.rejection:
        optional = {target_of(a) for a in ensure_components(snapshot, holding_release=False)}
        of_backups = advance_backups(snapshot, visit)
        optional |= {target_of(a) for a in (*of_backups.records, *of_backups.jobs)}
        optional |= {target_of(a) for a in advance_restores(snapshot, visit.now).actions}
        optional |= {target_of(a) for a in advance_keys(snapshot, visit.now).actions}
        return None if rejection.target in optional else rejection.since or visit.now
    newest = history.newest(snapshot)
    problem = problem_of(snapshot, newest, visit.now) if newest and newest.in_flight else None
    return visit.now if problem and problem.reason is Reason.WEBHOOK_FAILED else None
