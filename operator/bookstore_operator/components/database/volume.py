"""The volume claim of the embedded database, which its StatefulSet creates."""

from collections.abc import Iterator

from bookstore_operator.core import names
from bookstore_operator.core.drift import differs
from bookstore_operator.core.kinds import CLAIMS
from bookstore_operator.core.lookup import controlled_by_another, find
from bookstore_operator.core.plan import Action, Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.workloads.stuck import delete_unchanged, is_unbound


def with_existing_volume(server: Manifest, observed: Manifest | None) -> Manifest:
    """Return a StatefulSet with the claim template and selector of the existing one.

    They are immutable.

    The template matters only while there is no claim: components/storage/ lets the claim grow.
    """
    templates = _templates(observed)
    if observed is None or not templates:
        return server
    kept = {"volumeClaimTemplates": templates, "selector": observed["spec"]["selector"]}
    return {**server, "spec": {**server["spec"], **kept}}


def replace_unbound_claim(
    snapshot: Snapshot, wanted: Manifest, observed: Manifest | None
) -> Iterator[Action]:
    """Yield the deletion of a claim that is not bound, if its template is to be another one.

    There is no volume yet, so there is no data: a StorageClass that does not exist, or a size that
    it can't provide, can be corrected.
    """
    claim = find(snapshot, CLAIMS, names.server_claim(wanted["metadata"]["name"]))
    if observed is None or not _templates(observed) or claim is None or not is_unbound(claim):
        return
    if controlled_by_another(claim, snapshot.store.name):
        return
    (template,) = wanted["spec"]["volumeClaimTemplates"]
    if _same_volume(template, _templates(observed)[0]):
        return
    why = "it has no volume yet, and the spec has been changed since."
    yield delete_unchanged(claim, why)
    yield delete_unchanged(observed, why)


def _same_volume(wanted: Manifest, existing: Manifest) -> bool:
    """Whether two templates request the same; a field that is unset in only one is different."""
    same_class = wanted["spec"].get("storageClassName") == existing["spec"].get("storageClassName")
    return same_class and differs(wanted["spec"], existing["spec"]) is None


def _templates(observed: Manifest | None) -> list[Manifest]:
    """Return the claim templates of a StatefulSet without what the API server has filled in."""
    return [
        {
            "metadata": {
                key: value for key, value in template["metadata"].items() if value is not None
            },
            "spec": {key: template["spec"][key] for key in _OURS if key in template["spec"]},
        }
        for template in (observed or {}).get("spec", {}).get("volumeClaimTemplates") or ()
    ]


_OURS = ("accessModes", "resources", "storageClassName")
