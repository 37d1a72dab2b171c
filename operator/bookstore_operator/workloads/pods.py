"""Select a BookStore's Pods."""

from collections.abc import Iterator, Mapping

from bookstore_operator.core.kinds import PODS
from bookstore_operator.core.labels import release_selector
from bookstore_operator.core.lookup import all_of, condition
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease

OVER = frozenset({"Succeeded", "Failed"})


def of_release(
    snapshot: Snapshot, release: BookStoreRelease
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the uids of all of a release's Pods, also terminating ones, and of the ready ones."""
    selector = release_selector(release)
    ready = (pod for pod in selected(snapshot, selector) if condition(pod, "Ready"))
    return (
        frozenset(
            pod["metadata"]["uid"]
            for pod in all_of(snapshot, PODS)
            if selector.items() <= (pod["metadata"].get("labels") or {}).items()
        ),
        frozenset(pod["metadata"]["uid"] for pod in ready),
    )


def terminating(snapshot: Snapshot, selector: Mapping[str, str]) -> Iterator[Manifest]:
    """Yield the Pods that match a selector and are marked for deletion."""
    for pod in all_of(snapshot, PODS):
        metadata = pod["metadata"]
        matches = selector.items() <= (metadata.get("labels") or {}).items()
        if matches and metadata.get("deletionTimestamp"):
            yield pod


def selected(snapshot: Snapshot, selector: Mapping[str, str]) -> Iterator[Manifest]:
    """Yield the Pods that match a selector and are neither terminating nor complete."""
    for pod in all_of(snapshot, PODS):
        metadata = pod["metadata"]
        gone = metadata.get("deletionTimestamp") or pod.get("status", {}).get("phase") in OVER
        if selector.items() <= (metadata.get("labels") or {}).items() and not gone:
            yield pod
