"""Whether a color's Pods are all updated and available, and what keeps them from it."""

from datetime import datetime

from bookstore_operator.core import names
from bookstore_operator.core.kinds import DEPLOYMENTS
from bookstore_operator.core.labels import REVISION_LABEL, release_selector
from bookstore_operator.core.lookup import find, label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.workloads import pod_problems
from bookstore_operator.workloads.pod_causes import PodProblem


def problem_of(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> PodProblem | None:
    """Return what keeps a release's Pods from serving or from being created; None if nothing."""
    name = names.deployment(snapshot.store.name, release.spec.color)
    creator = DEPLOYMENTS.ref(name)
    return pod_problems.problem_of_pods(snapshot, release_selector(release), creator, now)


def all_available(deployment: Manifest, replicas: int) -> bool:
    """Whether a Deployment's status is current and all `replicas` are updated and available."""
    status = deployment.get("status", {})
    current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    counts = {
        deployment["spec"].get("replicas", 1),
        status.get("replicas", 0),
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
    }
    return current and counts == {replicas}


def runs(deployment: Manifest, release: BookStoreRelease) -> bool:
    """Whether a Deployment has the revision of a release."""
    template: Manifest = deployment["spec"]["template"]
    return label(template, REVISION_LABEL) == str(release.spec.revision)


def deployment_of(snapshot: Snapshot, release: BookStoreRelease) -> Manifest | None:
    """Return the Deployment of a release's color; None if there is none."""
    name = names.deployment(snapshot.store.name, release.spec.color)
    return find(snapshot, DEPLOYMENTS, name)


def status_of(snapshot: Snapshot, release: BookStoreRelease) -> Manifest:
    """Return the status of the Deployment of a release's color; empty if there is none."""
    status: Manifest = (deployment_of(snapshot, release) or {}).get("status", {})
    return status
