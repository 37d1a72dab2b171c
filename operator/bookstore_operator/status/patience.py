"""A BookStore that waits for too long says that somebody must look: it is Stalled.

The stages of a release have limits of their own, and a person may take any time. All other waits
have this one: for the database of a release that serves, for its Pods, for a volume to grow, for an
API server that fails. Nothing is given up: it goes on by itself when what it waits for is there.
"""

from datetime import datetime, timedelta

from bookstore_operator.core import history
from bookstore_operator.core.finding import Finding
from bookstore_operator.core.reasons import WAITS_FOR_PERSON, Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.status import ConditionStatus

_LIMITED = WAITS_FOR_PERSON | {
    *(Reason.PROMOTION_DELAYED, Reason.WATCHING),
    *(Reason.DRAINING, Reason.WARM),
}
"""The reasons of waits that end at a time, or with a person's decision."""

_MIGRATIONS = frozenset({Reason.MIGRATING, Reason.MIGRATION_IN_PROGRESS, Reason.DATABASE_REPLACED})


def waits_since(snapshot: Snapshot, reconciling: Finding, now: datetime) -> datetime | None:
    """Return since when a BookStore waits for something that has no limit of its own, else None.

    Another spec is another wait.
    """
    if reconciling.status is not ConditionStatus.TRUE or reconciling.reason in _LIMITED:
        return None
    status = snapshot.store.status
    if _has_stage_limit(snapshot) and snapshot.rejection is None:
        return None
    same = status.observed_generation == snapshot.store.metadata.generation
    return min(status.waiting_since or now, now) if same else now


def deadline(snapshot: Snapshot, reason: Reason, since: datetime | None) -> datetime | None:
    """Return when a wait that began at a time is reported; None if there is none."""
    return since + timedelta(seconds=_limit(snapshot, reason)) if since else None


def describe(snapshot: Snapshot, reason: Reason, message: str) -> str:
    """Return what a BookStore has waited for too long, and where to look."""
    return (
        f"{message} This has lasted for more than {_limit(snapshot, reason)} s. To see why: "
        f"kubectl get events --namespace {snapshot.store.metadata.namespace}."
    )


def _has_stage_limit(snapshot: Snapshot) -> bool:
    """Whether a release that is still wanted is at a stage: one that is to end has no limit."""
    newest = history.newest(snapshot)
    if newest is None or not newest.in_flight or newest.spec.aborted:
        return False
    asked = any(release.spec.rollback for release in snapshot.releases)
    return history.matches_spec(snapshot, newest) and not asked


def _limit(snapshot: Snapshot, reason: Reason) -> int:
    """Return the time limit in seconds: a migration that runs has its own before that."""
    spec = snapshot.store.spec
    migrates = spec.migration.timeout_seconds if reason in _MIGRATIONS else 0
    return spec.rollout.progress_deadline_seconds + migrates
