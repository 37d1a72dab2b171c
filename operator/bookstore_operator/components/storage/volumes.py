"""The volumes that the spec describes, and their claims."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from bookstore_operator.components.database.servers import Server, server_of
from bookstore_operator.core import names
from bookstore_operator.core.kinds import CLAIMS
from bookstore_operator.core.lookup import controlled_by_another, find
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.quantities import amount
from bookstore_operator.crd.spec.storage import Storage
from bookstore_operator.crd.status import VolumesStatus, VolumeStatus


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of a BookStore, with its claim."""

    field: str
    """The group of the spec that describes it."""
    storage: Storage
    claim: Manifest

    @property
    def name(self) -> str:
        """The name of its claim."""
        return str(self.claim["metadata"]["name"])

    @property
    def requested(self) -> str:
        """The size that the claim requests."""
        return str(self.claim["spec"].get("resources", {}).get("requests", {}).get("storage", "0"))

    @property
    def size(self) -> str | None:
        """The actual size; None until the claim is bound."""
        status = self.claim.get("status") or {}
        if status.get("phase") != "Bound":
            return None
        return str((status.get("capacity") or {}).get("storage") or self.requested)

    @property
    def storage_class(self) -> str | None:
        """The StorageClass of the claim; None if it has none."""
        name: str | None = self.claim["spec"].get("storageClassName")
        return name


def volumes(snapshot: Snapshot) -> Iterator[Volume]:
    """Yield the volumes whose claims exist and are this BookStore's."""
    store = snapshot.store
    for name, field, storage in _described(store):
        claim = find(snapshot, CLAIMS, name)
        if claim and not controlled_by_another(claim, store.name):
            yield Volume(field, storage, claim)


def _described(store: BookStore) -> Iterator[tuple[str, str, Storage]]:
    if embedded := store.spec.database.embedded:
        claim = Server(store.name, embedded.restored_from or "").claim
        yield claim, "spec.database.embedded.storage", embedded.storage
    if (backup := store.spec.backup) and (storage := backup.volume):
        yield names.backup(store.name), backup.volume_field, storage


def size_of(quantity: str) -> Fraction:
    """Return a size in bytes; 0 for what is no quantity."""
    return amount(quantity) or Fraction(0)


def volumes_status(snapshot: Snapshot) -> VolumesStatus | None:
    """Return the volumes for the status, also that of backups that are no longer configured."""
    store = snapshot.store.name
    server = server_of(store, snapshot.store.spec.database)
    claims = {
        "database": find(snapshot, CLAIMS, server.claim) if server else None,
        "backup": find(snapshot, CLAIMS, names.backup(store)),
    }
    known = {
        key: _status(Volume("", Storage(), claim))
        for key, claim in claims.items()
        if claim and not controlled_by_another(claim, store)
    }
    return VolumesStatus(**known) if known else None


def _status(volume: Volume) -> VolumeStatus:
    bound = volume.size is not None
    return VolumeStatus(
        claim=volume.name,
        size=volume.size,
        storage_class_name=volume.storage_class if bound else None,
    )
