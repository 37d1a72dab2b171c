"""Compare the hosts of all BookStores that this operator sees."""

from bookstore_operator.components.ingress.hosts import Claim, host_taken_by, wants_host
from bookstore_operator.core import names
from bookstore_operator.core.kinds import INGRESSES
from bookstore_operator.core.plan import Manifest
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey


def find_host_holder(cache: ObjectCache, key: StoreKey, store: Manifest) -> str:
    """Return which other BookStore has the host of one, as part of a sentence; empty if none."""
    if not wants_host(store):
        return ""
    keys = [other for other in cache.stores() if other != key]
    others = ((other, cache.bookstore(other)) for other in keys)
    claims = (_claim(cache, other, found) for other, found in others if found)
    return host_taken_by(_claim(cache, key, store), claims)


def _claim(cache: ObjectCache, key: StoreKey, store: Manifest) -> Claim:
    return Claim(store, cache.get(key.namespace, INGRESSES.ref(names.service(key.name))))
