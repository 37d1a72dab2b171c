"""The embedded cache. What it lacks never holds a release up."""

from collections.abc import Iterator

from bookstore_operator.components.cache.manifests import (
    cache_deployment,
    cache_secret,
    cache_secret_keys,
    cache_service,
)
from bookstore_operator.core import history, names
from bookstore_operator.core.ensure import ensure, ensure_absent, ensure_secret
from bookstore_operator.core.history import superseded_active
from bookstore_operator.core.kinds import DEPLOYMENTS, NETWORK_POLICIES, SERVICES
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Action
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.release import BookStoreRelease


def ensure_cache(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the changes of the embedded cache; its deletion once no serving release uses it."""
    store = snapshot.store
    embedded = store.spec.cache.embedded if store.spec.cache else None
    if embedded is None:
        yield from _ensure_removed(snapshot)
        return
    why = "The embedded cache has no password yet."
    yield from ensure_secret(snapshot, cache_secret(store), cache_secret_keys(store), why)
    yield from ensure(snapshot, cache_service(store))
    image = snapshot.settings.valkey_image
    yield from ensure(snapshot, cache_deployment(store, embedded, image))


def _ensure_removed(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the deletion of the cache's objects. Its Secret is deleted with the BookStore."""
    name = names.cache(snapshot.store.name)
    kinds = (DEPLOYMENTS, SERVICES, NETWORK_POLICIES)
    leftovers = [find(snapshot, kind, name) for kind in kinds]
    if any(leftovers) and not any(_uses_cache(release) for release in _serving(snapshot)):
        for manifest in leftovers:
            yield from ensure_absent(manifest, "spec.cache.embedded was removed.")


def _serving(snapshot: Snapshot) -> Iterator[BookStoreRelease]:
    """Yield the releases whose Pods may be running: the active one and those that drain."""
    active = history.active(snapshot)
    for release in snapshot.releases:
        if release == active or release.name in superseded_active(snapshot):
            yield release


def _uses_cache(release: BookStoreRelease) -> bool:
    cache = BookStoreSpec.model_validate(release.spec.intent).cache
    return cache is not None and cache.embedded is not None
