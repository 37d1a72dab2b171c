"""From manifests as the API server gives them to a Snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.plan import Manifest, ObjectKey
from bookstore_operator.snapshot import OperatorSettings, Snapshot


def snapshot_of(
    store: Manifest,
    releases: Iterable[Manifest],
    objects: Iterable[Manifest],
    secrets: Mapping[str, frozenset[str]],
    settings: OperatorSettings,
) -> Snapshot:
    """Return the Snapshot of a BookStore.

    `objects` must have apiVersion and kind, also where a list of the API server leaves them out.
    Raises pydantic's ValidationError when a BookStore or a release does not fit its model.
    """
    parsed = (BookStoreRelease.model_validate(release) for release in releases)
    return Snapshot(
        store=BookStore.model_validate(store),
        releases=tuple(sorted(parsed, key=lambda r: (r.spec.revision, r.spec.attempt))),
        objects={key_of(manifest): manifest for manifest in objects},
        secrets=dict(secrets),
        settings=settings,
    )


def key_of(manifest: Manifest) -> ObjectKey:
    """Return what names an object within its namespace."""
    return ObjectKey(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"])
