"""Stage Start: run the release on the idle color, with as many Pods as the active one."""

from bookstore_operator.components.serving.ensure import ensure_scale
from bookstore_operator.components.serving.gate import (
    color_available,
    one_image,
    overdue_or_waiting,
)
from bookstore_operator.components.serving.manifests import deployment
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import names
from bookstore_operator.core.ensure import ensure
from bookstore_operator.core.gate import Passed
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.progress import Progress


def start(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Wait for the idle color to run the release's Pods, all available and of one image."""
    name = names.deployment(snapshot.store.name, release.spec.color)
    applies = tuple(ensure(snapshot, deployment(snapshot.store, release)))
    color, size = release.spec.color, live_size(snapshot)
    scales = tuple(ensure_scale(snapshot, color, size, "to match the active color"))
    answer = visit.ask(color_available, snapshot)
    if isinstance(answer, Passed) and applies:
        message = f"Deployment {name} does not run the release yet. {applies[0].message}"
        answer = overdue_or_waiting(snapshot, release, visit.now, message)
    if isinstance(answer, Passed):
        answer = visit.ask(one_image, snapshot)
    return Progress(snapshot, answer, (*applies, *scales))
