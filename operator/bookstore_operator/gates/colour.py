"""Whether the new colour is fit to serve."""

from __future__ import annotations

from datetime import datetime, timedelta

from bookstore_operator.core import history, names
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.labels import REVISION_LABEL, release_selector
from bookstore_operator.core.lookup import find, label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.facts.replicas import live_size
from bookstore_operator.workloads import pod_problems


def colour_available(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the newest release's colour runs nothing else, all available, at the live size.

    Past the progress deadline the release fails. A first release has nothing to protect and
    goes on waiting, but says that it is stuck.
    """
    release = history.newest(snapshot)
    if release is None:
        return Waiting(Reason.STARTING, "There is no release yet.")
    wanted = live_size(snapshot)
    name = names.deployment(snapshot.store.name, release.spec.colour)
    deployment = find(snapshot, "Deployment", name)
    if deployment and _runs(deployment, release) and all_available(deployment, wanted):
        return Passed()
    available = (deployment or {}).get("status", {}).get("availableReplicas", 0)
    told = f"{available} of {wanted} Pods of Deployment {name} are available."
    return _overdue_or_waiting(snapshot, release, now, told)


def trouble_of(snapshot: Snapshot, release: BookStoreRelease) -> pod_problems.Trouble | None:
    """Return what keeps a release's Pods from serving, or from being there at all."""
    name = names.deployment(snapshot.store.name, release.spec.colour)
    return pod_problems.trouble(
        snapshot, release_selector(release)
    ) or pod_problems.creation_refused(snapshot, "Deployment", name)


def all_available(deployment: Manifest, wanted: int) -> bool:
    """Whether a Deployment's controller has seen it, and all its Pods are new and available."""
    status = deployment.get("status", {})
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    counts = {
        deployment["spec"].get("replicas", 1),
        status.get("replicas", 0),
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
    }
    return seen and counts == {wanted}


def _runs(deployment: Manifest, release: BookStoreRelease) -> bool:
    template: Manifest = deployment["spec"]["template"]
    return label(template, REVISION_LABEL) == str(release.spec.revision)


def _overdue_or_waiting(
    snapshot: Snapshot, release: BookStoreRelease, now: datetime, told: str
) -> Answer:
    seconds = snapshot.store.spec.rollout.progress_deadline_seconds
    deadline = (release.status.stage_started_at or now) + timedelta(seconds=seconds)
    trouble = trouble_of(snapshot, release)
    told = pod_problems.with_trouble(told, trouble)
    if now < deadline:
        return Waiting(
            pod_problems.serious_or(Reason.STARTING, trouble),
            f"Waiting for revision {release.spec.revision}: {told}",
            deadline,
        )
    late = f"Not available within {seconds} s (spec.rollout.progressDeadlineSeconds): {told}"
    if history.active(snapshot):
        return Failed(Reason.PROGRESS_DEADLINE_EXCEEDED, late)
    return Waiting(Reason.PROGRESS_DEADLINE_EXCEEDED, late, stalled=True)
