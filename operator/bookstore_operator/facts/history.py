"""What the releases of a BookStore say: the durable record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bookstore_operator.model.effects import intent_of, normalised
from bookstore_operator.model.release import BookStoreRelease, Colour, Verdict
from bookstore_operator.snapshot import Snapshot


def newest(snapshot: Snapshot) -> BookStoreRelease | None:
    """Return the newest release, the one that is worked on."""
    return snapshot.releases[-1] if snapshot.releases else None


def active(snapshot: Snapshot) -> BookStoreRelease | None:
    """Return the recorded promoted release: what serves, whatever the Service says."""
    promoted = [release for release in snapshot.releases if release.status.promoted_at]
    return promoted[-1] if promoted else None


def idle_colour(snapshot: Snapshot) -> Colour:
    """Return the colour that does not serve."""
    serving = active(snapshot)
    return serving.spec.colour.other if serving else Colour.BLUE


def draining(snapshot: Snapshot) -> bool:
    """Whether the old colour is kept warm after a switch."""
    serving = active(snapshot)
    return serving is not None and serving.status.verdict is Verdict.PROMOTED


def wants(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    """Whether the BookStore asks for just what a release makes true."""
    return normalised(release.spec.intent) == intent_of(snapshot.store.spec)


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
