"""Stage Switch: make the new color the active one."""

from bookstore_operator.components.serving.gate import color_available, one_image
from bookstore_operator.core.gate import Passed
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.releases.progress import Progress


def switch(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Record the promotion, which the Service follows (components/serving/ensure.py)."""
    for gate in (color_available, one_image):  # a Pod may have been replaced since Start
        answer = visit.ask(gate, snapshot)
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer)
    promoted = update_status(
        snapshot,
        release,
        result=Result.PROMOTED,
        promoted_at=visit.now,
        reason="Promoted",
        message=f"Revision {release.spec.revision} serves users.",
    )
    return Progress(promoted, Passed())
