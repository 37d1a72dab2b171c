"""Changes of the releases' status, which is the durable record of their progress."""

from dataclasses import replace
from typing import Any

from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease


def update_status(snapshot: Snapshot, release: BookStoreRelease, **changes: Any) -> Snapshot:
    """Return the Snapshot with changes of a release's status, named as in ReleaseStatus."""
    status = release.status.model_copy(update=changes)
    updated = release.model_copy(update={"status": status})
    return replace(
        snapshot,
        releases=tuple(
            updated if other.name == release.name else other for other in snapshot.releases
        ),
    )
