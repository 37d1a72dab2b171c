"""Which Pods have loaded a change of the signing keys. Each says so on its internal port."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from bookstore_operator.components.signing_keys.secrets import signing_secret
from bookstore_operator.core import contract
from bookstore_operator.core.kinds import PODS
from bookstore_operator.core.labels import (
    COLOR_LABEL,
    MAIN_CONTAINERS,
    REVISION_LABEL,
    Component,
    selector,
)
from bookstore_operator.core.lookup import all_of, label
from bookstore_operator.core.measurements import KeyScrape, LoadedKeys, Measurement, Unreadable
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.workloads.pods import OVER

SYNC = timedelta(minutes=5)
"""By then the kubelet has certainly updated the files of a Pod: it needs two minutes at most."""


class Loading(NamedTuple):
    """How far a change of the keys has come."""

    waits_for: tuple[tuple[str, str], ...]
    """The Pods that have not loaded it, with the cause as the end of a sentence."""
    measurements: tuple[Measurement, ...]

    @property
    def done(self) -> bool:
        """Whether every Pod has loaded it."""
        return not self.waits_for


def loading(
    snapshot: Snapshot, since: datetime, now: datetime, has: Callable[[LoadedKeys], bool]
) -> Loading:
    """Return which Pods of all colors have not loaded a change.

    One that does not answer is waited for as long as its process may come back with the keys that
    it had: also if it is not ready, for its node may be cut off. A process that begins reads its
    files, and one that terminates gets no new requests: those are waited for while files may be
    old.

    Args:
        snapshot: what is observed.
        since: when the Secret was changed.
        now: the current time.
        has: whether what a Pod has loaded is the change.

    """
    waits_for, measurements = [], []
    for pod in _pods(snapshot):
        metadata, status = pod["metadata"], pod.get("status") or {}
        scrape = KeyScrape(metadata["uid"], status.get("podIP") or "")
        measurements.append(scrape)
        waited_for = _may_come_back(pod) or now < since + SYNC
        match snapshot.measurements.get(scrape):
            case LoadedKeys() as loaded:
                cause = "" if loaded.kids is None or has(loaded) else "it has other keys"
            case Unreadable(cause=why):
                cause = why if waited_for else ""
            case _:
                cause = "it is not asked yet" if waited_for else ""
        if cause:
            waits_for.append((metadata["name"], cause))
    return Loading(tuple(waits_for), tuple(measurements))


def _may_come_back(pod: Manifest) -> bool:
    """Whether a Pod's process may get requests again, with the keys that it has loaded."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    containers = (pod.get("status") or {}).get("containerStatuses") or ()
    api = (item for item in containers if item["name"] == MAIN_CONTAINERS[Component.API])
    return any("running" in (item.get("state") or {}) for item in api)


def mounts_keys(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    """Whether the Pods of a release mount the Secret: those of an older operator don't."""
    volumes = release.spec.template()["spec"].get("volumes") or ()
    wanted = (contract.SIGNING_FOLDER, signing_secret(snapshot.store))
    return any(
        (volume["name"], (volume.get("secret") or {}).get("secretName")) == wanted
        for volume in volumes
    )


def _pods(snapshot: Snapshot) -> Iterator[Manifest]:
    """Yield the API's Pods of all colors that mount the Secret, also those that terminate."""
    wanted = selector(snapshot.store.name, Component.API).items()
    api = [
        pod
        for pod in all_of(snapshot, PODS)
        if wanted <= (pod["metadata"].get("labels") or {}).items()
        and (pod.get("status") or {}).get("phase") not in OVER
    ]
    without = {of for of in map(_release_of, api) if not _may_mount(snapshot, of)}
    yield from (pod for pod in api if _release_of(pod) not in without)


def _may_mount(snapshot: Snapshot, of: tuple[str | None, str | None]) -> bool:
    """Whether Pods of a color and a revision mount the Secret; also if their record is lost."""
    records = [
        release
        for release in snapshot.releases
        if (release.spec.color.value, str(release.spec.revision)) == of
    ]
    return not records or any(mounts_keys(snapshot, release) for release in records)


def _release_of(pod: Manifest) -> tuple[str | None, str | None]:
    return label(pod, COLOR_LABEL), label(pod, REVISION_LABEL)
