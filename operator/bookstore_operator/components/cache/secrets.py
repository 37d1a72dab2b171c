"""The Secret and key of the cache's URI."""

from bookstore_operator.core import names
from bookstore_operator.core.secret_values import Content
from bookstore_operator.core.secrets import UsedKeys
from bookstore_operator.crd.bookstore import BookStore


def cache_keys(store: BookStore) -> UsedKeys:
    """Return the Secret and key of the cache's URI; empty without a cache."""
    cache = store.spec.cache
    if cache is None:
        return {}
    secret = cache.external.secret_name if cache.external else names.cache(store.name)
    return {secret: {cache.external.key if cache.external else "uri": Content.REDIS_URI}}
