"""The actions that bring one object to its desired state."""

import hashlib
import json
from collections.abc import Iterator, Mapping

from bookstore_operator.core.drift import differences
from bookstore_operator.core.kinds import key_of
from bookstore_operator.core.labels import APPLIED_ANNOTATION
from bookstore_operator.core.plan import Action, Apply, CreateSecret, Delete, Manifest, ObjectRef
from bookstore_operator.core.snapshot import Snapshot


def ensure(
    snapshot: Snapshot,
    manifest: Manifest,
    *,
    irreversible: bool = False,
    guards: tuple[ObjectRef, ...] = (),
) -> Iterator[Apply]:
    """Yield an Apply unless the observed object matches the manifest.

    It need not match where others change what the operator applies (see Snapshot.overridden).

    Args:
        snapshot: what is observed.
        manifest: the desired object.
        irreversible: its change can't be undone, so the API server must reject it when the object
            has changed since it was observed.
        guards: must belong to this BookStore, or not exist, before it is created.

    """
    annotated = _annotate_with_hash(manifest)
    key = key_of(manifest)
    observed = snapshot.objects.get(key)
    if observed is None:
        message = f"{key.kind} {key.name} does not exist."
        yield Apply(annotated, "Create", message, guards=guards)
        return
    tolerated = snapshot.overridden.get(key, frozenset())
    left = (d.text for d in differences(annotated, observed) if d.text not in tolerated)
    if why := next(left, None):
        version = observed["metadata"].get("resourceVersion") if irreversible else None
        message = f"{key.kind} {key.name}: {why}."
        yield Apply(annotated, "Update", message, version, irreversible)


def ensure_secret(
    snapshot: Snapshot,
    manifest: Manifest,
    keys: Mapping[str, str],
    why: str,
    guards: tuple[ObjectRef, ...] = (),
) -> Iterator[CreateSecret | Apply]:
    """Yield the creation of a Secret with a generated value unless there is one of its name.

    One that a former BookStore has left gets this one as its owner.

    Args:
        snapshot: what is observed.
        manifest: the Secret without its generated keys.
        keys: the generated keys, as in CreateSecret.
        why: what is missing without it, as a sentence.
        guards: must belong to this BookStore, or not exist, before it is created.

    """
    name = manifest["metadata"]["name"]
    if name not in snapshot.secrets:
        yield CreateSecret(manifest, keys, "Create", why, guards)
    elif not _owners(manifest) <= snapshot.secret_owners.get(name, _owners(manifest)):
        owned = {key: manifest[key] for key in ("apiVersion", "kind", "metadata")}
        yield Apply(owned, "Adopt", f"Secret {name} was left by a former BookStore: taken over.")


def ensure_absent(manifest: Manifest | None, why: str) -> Iterator[Action]:
    """Yield the deletion of an observed object; nothing for None or a terminating object."""
    if manifest is not None and not manifest["metadata"].get("deletionTimestamp"):
        key = key_of(manifest)
        yield Delete(key, manifest["metadata"]["uid"], "Delete", f"{key.kind} {key.name}: {why}")


def digest(manifest: Manifest) -> str:
    """Return the hash of an object, or of a part of one."""
    text = json.dumps(manifest, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _owners(manifest: Manifest) -> frozenset[str]:
    owners = manifest["metadata"].get("ownerReferences") or ()
    return frozenset(owner["uid"] for owner in owners)


def _annotate_with_hash(manifest: Manifest) -> Manifest:
    """Return a manifest with its hash: a field that is no longer desired then shows as a change."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED_ANNOTATION: digest(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}
