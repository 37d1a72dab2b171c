"""Changes of the releases' status, which is the durable record of their progress."""

from dataclasses import replace
from typing import Any

from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.text import MESSAGE_LENGTH, fit


def update_status(snapshot: Snapshot, release: BookStoreRelease, **changes: Any) -> Snapshot:
    """Return the Snapshot with changes of a release's status, named as in ReleaseStatus."""
    fitted = {name: _fit(value) for name, value in changes.items()}
    status = release.status.model_copy(update=fitted)
    updated = release.model_copy(update={"status": status})
    return replace(
        snapshot,
        releases=tuple(
            updated if other.name == release.name else other for other in snapshot.releases
        ),
    )


def _fit(value: Any) -> Any:
    """Return plain text cut to what the record takes; model_copy does not validate."""
    return fit(value, MESSAGE_LENGTH) if type(value) is str else value
