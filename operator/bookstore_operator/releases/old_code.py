"""The Pods that run other code than the release that serves."""

from collections.abc import Iterator

from bookstore_operator.core import history, names
from bookstore_operator.core.kinds import DEPLOYMENTS, PODS
from bookstore_operator.core.labels import REVISION_LABEL
from bookstore_operator.core.lookup import all_of, find, label
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.contracts import image_of

_OVER = frozenset({"Succeeded", "Failed"})


def old_pods(snapshot: Snapshot, release: BookStoreRelease) -> Iterator[str]:
    """Yield the names of the Pods, terminating ones too, whose release has another image.

    A Pod of a release that was deleted counts, since its image is unknown. The idle color's
    Deployment counts while it has Pods, even if they were not observed yet.
    """
    same = {
        str(other.spec.revision)
        for other in snapshot.releases
        if image_of(other) == image_of(release)
    }
    for pod in all_of(snapshot, PODS):
        revision = label(pod, REVISION_LABEL)
        over = (pod.get("status") or {}).get("phase") in _OVER
        if revision is not None and revision not in same and not over:
            yield f"Pod {pod['metadata']['name']}"
    name = names.deployment(snapshot.store.name, history.idle_color(snapshot))
    idle = find(snapshot, DEPLOYMENTS, name)
    if idle and label(idle["spec"]["template"], REVISION_LABEL) not in same:
        counts = (idle["spec"].get("replicas", 1), (idle.get("status") or {}).get("replicas", 0))
        if any(counts):
            yield f"those of Deployment {name}"
