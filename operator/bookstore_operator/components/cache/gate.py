"""Whether the Secret of the cache, which a release's Pods mount, is valid."""

from datetime import datetime

from bookstore_operator.core import names
from bookstore_operator.core.gate import Answer, Passed
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secrets import SecretWords, check_secret
from bookstore_operator.core.snapshot import Snapshot

CACHE = SecretWords(
    Reason.CACHE_SECRET_MISSING,
    Reason.CACHE_SECRET_INCOMPLETE,
    Reason.CACHE_SECRET_MALFORMED,
    "a URI of Redis (redis://…)",
    "redis://:password@host:6379/0, or rediss:// for TLS",
)


def cache_secret_valid(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the Secret of an external cache is valid. No release waits for the cache itself."""
    cache = snapshot.store.spec.cache
    if cache is None or cache.external is None:
        return Passed()
    return check_secret(
        snapshot, cache.external.secret_name, [cache.external.key], CACHE, now, ours=False
    )


def own_cache_secret_valid(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the Secret of an embedded cache is valid or about to be created."""
    name = names.cache(snapshot.store.name)
    return check_secret(snapshot, name, ["password", "uri", "valkey.conf"], CACHE, now, ours=True)
