"""The actions that make one object as desired, if it is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from bookstore_operator.core.drift import differs
from bookstore_operator.core.kinds import key_of
from bookstore_operator.core.labels import APPLIED_ANNOTATION
from bookstore_operator.core.plan import Action, Apply, Delete, Manifest, ObjectRef
from bookstore_operator.core.snapshot import Snapshot


def ensure(
    snapshot: Snapshot,
    manifest: Manifest,
    *,
    irreversible: bool = False,
    guards: tuple[ObjectRef, ...] = (),
) -> Iterator[Apply]:
    """Yield an Apply unless the observed object is as desired.

    Args:
        snapshot: what is observed.
        manifest: the object as desired.
        irreversible: a change of it can't be undone; it is rejected when the object has changed
            since it was observed.
        guards: must be this BookStore's, or not exist, before it is created.

    """
    marked = _marked(manifest)
    key = key_of(manifest)
    observed = snapshot.objects.get(key)
    what = f"{key.kind} {key.name}"
    if observed is None:
        yield Apply(marked, "Create", f"There is no {what}.", guards=guards)
    elif why := differs(marked, observed):
        version = observed["metadata"].get("resourceVersion") if irreversible else None
        yield Apply(marked, "Update", f"{what}: {why}.", version, irreversible)


def ensure_absent(manifest: Manifest | None, why: str) -> Iterator[Action]:
    """Yield the deletion of an observed object."""
    if manifest is not None and not manifest["metadata"].get("deletionTimestamp"):
        key = key_of(manifest)
        yield Delete(key, manifest["metadata"]["uid"], "Delete", f"{key.kind} {key.name}: {why}")


def _marked(manifest: Manifest) -> Manifest:
    text = json.dumps(manifest, sort_keys=True)
    mark = hashlib.sha256(text.encode()).hexdigest()[:16]
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED_ANNOTATION: mark}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}
