"""Whether the new color is fit to serve, and whether the Service selects it."""

from __future__ import annotations

from datetime import datetime, timedelta

from bookstore_operator.components.serving.availability import all_available, problem_of, runs
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history, names
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.kinds import DEPLOYMENTS, SERVICES
from bookstore_operator.core.labels import release_selector
from bookstore_operator.core.lookup import find
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.stages import find_stage
from bookstore_operator.workloads import pod_problems


def color_available(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the newest release's color runs nothing else, all available, at the live size.

    Past the deadline of its stage the release fails. A first release has nothing to protect and
    goes on waiting, but says that it is stuck.
    """
    release = history.newest(snapshot)
    if release is None:
        return Waiting(Reason.STARTING, "There is no release yet.")
    wanted = live_size(snapshot)
    name = names.deployment(snapshot.store.name, release.spec.color)
    deployment = find(snapshot, DEPLOYMENTS, name)
    if deployment and runs(deployment, release) and all_available(deployment, wanted):
        return Passed()
    available = (deployment or {}).get("status", {}).get("availableReplicas", 0)
    told = f"{available} of {wanted} Pods of Deployment {name} are available."
    return _overdue_or_waiting(snapshot, release, now, told)


def _overdue_or_waiting(
    snapshot: Snapshot, release: BookStoreRelease, now: datetime, told: str
) -> Answer:
    stage = find_stage(release.status.stage)
    seconds = stage.deadline_seconds(snapshot.store.spec) if stage else None
    since = release.status.stage_started_at or now
    deadline = None if seconds is None else since + timedelta(seconds=seconds)
    problem = problem_of(snapshot, release)
    told = pod_problems.append_problem(told, problem)
    if stage is None or deadline is None or now < deadline:
        return Waiting(
            pod_problems.reason_or(Reason.STARTING, problem),
            f"Waiting for revision {release.spec.revision}: {told}",
            deadline,
        )
    late = f"Not available within {seconds} s (spec.{stage.deadline}): {told}"
    if history.active(snapshot):
        return Failed(Reason.PROGRESS_DEADLINE_EXCEEDED, late)
    return Waiting(Reason.PROGRESS_DEADLINE_EXCEEDED, late, stalled=True)


def switched(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the active Service is seen to select the recorded promoted release."""
    del now
    active = history.active(snapshot)
    service = find(snapshot, SERVICES, names.service(snapshot.store.name))
    if active and service and service["spec"].get("selector") == release_selector(active):
        return Passed()
    return Waiting(Reason.SWITCHING, "Waiting for the active Service to select the new color.")
