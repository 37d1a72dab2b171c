"""Whether the old color is no longer needed."""

from __future__ import annotations

from bookstore_operator.core import names
from bookstore_operator.core.kinds import SERVICES
from bookstore_operator.core.labels import COLOR_LABEL
from bookstore_operator.core.lookup import find
from bookstore_operator.core.snapshot import Snapshot, find_active
from bookstore_operator.crd.release import BookStoreRelease, Color, Result


def superseded_active(snapshot: Snapshot) -> list[str]:
    """Return the names of the releases that served before and are not given up yet."""
    serving = active(snapshot)
    return [
        release.name
        for release in snapshot.releases
        if release.status.promoted_at and not release.status.demoted_at and release != serving
    ]


def newest(snapshot: Snapshot) -> BookStoreRelease | None:
    """Return the newest release, the one that is worked on."""
    return snapshot.releases[-1] if snapshot.releases else None


def active(snapshot: Snapshot) -> BookStoreRelease | None:
    """Return the recorded promoted release: what serves, whatever the Service says."""
    return find_active(snapshot.releases)


def serving_color(snapshot: Snapshot) -> Color | None:
    """Return the color that serves.

    When somebody has deleted the record of the active release, the Service is the next best
    witness: the color that it selects must not be touched until another one has been promoted.
    """
    if recorded_active := active(snapshot):
        return recorded_active.spec.color
    service = find(snapshot, SERVICES, names.service(snapshot.store.name)) or {"spec": {}}
    told = (service["spec"].get("selector") or {}).get(COLOR_LABEL)
    return Color(told) if told in set(Color) else None


def idle_color(snapshot: Snapshot) -> Color:
    """Return the color that does not serve."""
    serving = serving_color(snapshot)
    return serving.other if serving else Color.BLUE


def draining(snapshot: Snapshot) -> bool:
    """Whether the old color is kept warm after a switch."""
    serving = active(snapshot)
    return serving is not None and serving.status.result is Result.PROMOTED


def wants(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    """Whether the BookStore asks for just what the newest or the active release makes true."""
    return snapshot.wanted[release.name]
