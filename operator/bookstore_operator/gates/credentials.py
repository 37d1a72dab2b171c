"""Whether the Secrets are there that a release's Pods mount, beside the database's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bookstore_operator.core import names
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.facts import credentials
from bookstore_operator.gates.database import SECRET_POLL


@dataclass(frozen=True, slots=True)
class _Words:
    """How one kind of Secret is told of."""

    missing: Reason
    incomplete: Reason
    malformed: Reason
    what: str
    example: str


STAFF = _Words(
    Reason.STAFF_SECRET_MISSING,
    Reason.STAFF_SECRET_INCOMPLETE,
    Reason.STAFF_SECRET_MALFORMED,
    "a random token of 32 characters at least",
    "openssl rand -hex 32 makes one",
)
CACHE = _Words(
    Reason.CACHE_SECRET_MISSING,
    Reason.CACHE_SECRET_INCOMPLETE,
    Reason.CACHE_SECRET_MALFORMED,
    "a URI of Redis (redis://…)",
    "redis://:password@host:6379/0, or rediss:// for TLS",
)


def staff_known(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the staff token is there; one that the operator makes is about to be."""
    ((secret, keys),) = credentials.staff_keys(snapshot.store).items()
    ours = snapshot.store.spec.staff.secret_name is None
    return _known(snapshot, secret, list(keys), STAFF, now, ours=ours)


def cache_known(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the URI of an external cache is there. Whether it answers holds nothing up."""
    cache = snapshot.store.spec.cache
    if cache is None or cache.external is None:
        return Passed()
    return _known(
        snapshot, cache.external.secret_name, [cache.external.key], CACHE, now, ours=False
    )


def own_cache_known(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the Secret of an embedded cache is whole, or about to be made."""
    name = names.cache(snapshot.store.name)
    return _known(snapshot, name, ["password", "uri", "valkey.conf"], CACHE, now, ours=True)


def _known(  # noqa: PLR0913 - each is one thing a sentence needs
    snapshot: Snapshot,
    secret: str,
    keys: list[str],
    words: _Words,
    now: datetime,
    *,
    ours: bool,
) -> Answer:
    again = now + SECRET_POLL
    lacking = credentials.missing(snapshot, secret, keys)
    told = " and ".join(f"`{key}`" for key in lacking)
    if secret not in snapshot.secrets:
        message = f"There is no Secret {secret}. Create it, with {words.what} under the key {told}."
        return Passed() if ours else Waiting(words.missing, message, until=again)
    if lacking:
        todo = "Delete it: it is made anew." if ours else f"Add it: {words.what}."
        message = f"Secret {secret} has no key {told}. {todo}"
        return Waiting(words.incomplete, message, until=again)
    if wrong := credentials.faults(snapshot, secret, keys):
        todo = "Delete it: it is made anew." if ours else f"Correct it: {words.example}."
        message = f"In Secret {secret}, {' and '.join(wrong)}. {todo}"
        return Waiting(words.malformed, message, until=again)
    return Passed()
