"""Which release is newest, which one serves, and which colors they run on."""

from bookstore_operator.core import names
from bookstore_operator.core.kinds import SERVICES
from bookstore_operator.core.labels import COLOR_LABEL
from bookstore_operator.core.lookup import find
from bookstore_operator.core.snapshot import Snapshot, find_active
from bookstore_operator.crd.release import BookStoreRelease, Color, Result


def superseded_active(snapshot: Snapshot) -> list[str]:
    """Return the names of the releases that served before and are not retired yet."""
    serving = active(snapshot)
    return [
        release.name
        for release in snapshot.releases
        if release.status.promoted_at and not release.status.demoted_at and release != serving
    ]


def newest(snapshot: Snapshot) -> BookStoreRelease | None:
    """Return the newest release, the one in progress; None if there is none."""
    return snapshot.releases[-1] if snapshot.releases else None


def active(snapshot: Snapshot) -> BookStoreRelease | None:
    """Return the release that its record says is promoted, whatever the Service selects."""
    return find_active(snapshot.releases)


def serving_color(snapshot: Snapshot) -> Color | None:
    """Return the color that serves; None if none does.

    If the record of the active release was deleted, it is the color that the Service selects, which
    must not be changed until another release is promoted.
    """
    if recorded_active := active(snapshot):
        return recorded_active.spec.color
    service = find(snapshot, SERVICES, names.service(snapshot.store.name)) or {"spec": {}}
    color = (service["spec"].get("selector") or {}).get(COLOR_LABEL)
    return Color(color) if color in set(Color) else None


def idle_color(snapshot: Snapshot) -> Color:
    """Return the color that does not serve."""
    serving = serving_color(snapshot)
    return serving.other if serving else Color.BLUE


def rolled_back(snapshot: Snapshot) -> BookStoreRelease | None:
    """Return the last release that was rolled back to the active one; None if none was."""
    serving = active(snapshot)
    failed = [
        release
        for release in snapshot.releases
        if release.status.result is Result.ROLLED_BACK
        and serving is not None
        and release.status.rolled_back_to == serving.name
    ]
    return failed[-1] if failed else None


def draining(snapshot: Snapshot) -> bool:
    """Whether the old color keeps running after a switch."""
    serving = active(snapshot)
    return serving is not None and serving.status.result is Result.PROMOTED


def overrules_spec(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    """Whether a release serves, or is to serve, instead of the one that the spec asks for."""
    return release.name in snapshot.overruling


def matches_spec(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    """Whether a release that is newest, active or not yet retired has the current intent."""
    return snapshot.matches_spec[release.name]


def serves_spec(snapshot: Snapshot) -> bool:
    """Whether the release that serves is the one that the spec asks for."""
    serving = active(snapshot)
    return (
        serving is not None
        and matches_spec(snapshot, serving)
        and not overrules_spec(snapshot, serving)
    )
