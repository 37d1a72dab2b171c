"""Whether the volumes are as the spec describes them."""

from collections.abc import Iterator
from datetime import datetime

from bookstore_operator.components.storage.volumes import Volume, size_of, volumes
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot


def volumes_match(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if all volumes have the StorageClass and at least the size of the spec.

    Volumes that are not bound yet are reported by the Pods that wait for them.
    """
    del now
    return next((answer for volume in volumes(snapshot) for answer in _check(volume)), Passed())


def _check(volume: Volume) -> Iterator[Waiting]:
    if volume.size is None:
        return
    wanted = volume.storage.storage_class_name
    if wanted and wanted != volume.storage_class:
        yield Waiting(
            Reason.VOLUME_MISMATCH,
            f"Volume claim {volume.name} has StorageClass {volume.storage_class}, not {wanted}, "
            f"and a volume can't be moved. Set {volume.field}.storageClassName to "
            f"{volume.storage_class}; or back up the data, delete the claim and restore the data.",
            stalled=True,
        )
    if size_of(volume.size) < size_of(volume.storage.size):
        yield _growing(volume)


def _growing(volume: Volume) -> Waiting:
    status = volume.claim.get("status") or {}
    message = (
        f"Waiting for volume claim {volume.name} to grow from {volume.size} to "
        f"{volume.storage.size}.{_hints(status)}"
    )
    failed = "Infeasible" in str(status.get("allocatedResourceStatuses"))
    advice = f" See kubectl describe pvc {volume.name}."
    if failed:
        advice = f" It can't: set {volume.field}.size back."
    return Waiting(Reason.VOLUME_RESIZING, message + advice, stalled=failed)


def _hints(status: Manifest) -> str:
    """Return the messages of a claim's conditions, such as that a Pod must be restarted."""
    messages = [str(item.get("message") or "") for item in status.get("conditions") or ()]
    return "".join(f" {text.rstrip('.')[:300]}." for text in messages if text)
