"""Let volumes grow. No release waits for it, and no volume is ever made smaller."""

from collections.abc import Iterator

from bookstore_operator.components.backup.manifests import backup_claim, with_existing_spec
from bookstore_operator.components.storage.volumes import Volume, size_of, volumes
from bookstore_operator.core import names
from bookstore_operator.core.ensure import ensure
from bookstore_operator.core.kinds import CLAIMS
from bookstore_operator.core.plan import Action, Manifest
from bookstore_operator.core.snapshot import Snapshot


def ensure_storage(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the growth of claims that request less than the spec, or have requested too much.

    A claim may request less again as long as it is more than its volume has: an expansion that
    failed can be taken back (KEP-1790).
    """
    for volume in volumes(snapshot):
        wanted, requested = size_of(volume.storage.size), size_of(volume.requested)
        actual = size_of(volume.size or "0")
        if volume.size is not None and wanted > actual and wanted != requested:
            yield from ensure(snapshot, _claim(snapshot, volume))


def _claim(snapshot: Snapshot, volume: Volume) -> Manifest:
    """Return the claim with its new size: all of a claim of ours, a part of the StatefulSet's."""
    store, size = snapshot.store, volume.storage.size
    if volume.name == names.backup(store.name):
        return with_existing_spec(backup_claim(store, volume.storage), volume.claim, size)
    return {
        **CLAIMS.type_meta,
        "metadata": {"name": volume.name, "namespace": store.metadata.namespace},
        "spec": {"resources": {"requests": {"storage": size}}},
    }
