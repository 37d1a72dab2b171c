"""Changes of the releases' records, the durable memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease


def recorded(snapshot: Snapshot, release: BookStoreRelease, **changes: Any) -> Snapshot:
    """Return the Snapshot with changes of a release's status in it."""
    status = release.status.model_copy(update=changes)
    written = release.model_copy(update={"status": status})
    return replace(
        snapshot,
        releases=tuple(
            written if other.name == release.name else other for other in snapshot.releases
        ),
    )
