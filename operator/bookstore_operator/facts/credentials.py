"""Which keys of which Secrets a BookStore uses, and what is the matter with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from bookstore_operator.core import names
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.facts.contents import Content

Wanted: TypeAlias = Mapping[str, Mapping[str, Content]]
"""Secret → key → what it is for."""


def wanted(store: BookStore) -> Wanted:
    """Return the Secrets whose keys a Snapshot needs to know. One may serve for several things."""
    found: dict[str, dict[str, Content]] = {}
    for used in (database_keys(store), cache_keys(store), staff_keys(store)):
        for secret, keys in used.items():
            found.setdefault(secret, {}).update(keys)
    return found


def database_keys(store: BookStore) -> Wanted:
    """Return where the database's URIs are."""
    external = store.spec.database.external
    if external is None:
        return {names.database(store.name): {"uri": Content.DATABASE_URI}}
    keys = [key for key in (external.key, external.direct_key) if key]
    return {external.secret_name: dict.fromkeys(keys, Content.DATABASE_URI)}


def cache_keys(store: BookStore) -> Wanted:
    """Return where the URI of Redis is, if there is to be one."""
    cache = store.spec.cache
    if cache is None:
        return {}
    secret = cache.external.secret_name if cache.external else names.cache(store.name)
    return {secret: {cache.external.key if cache.external else "uri": Content.REDIS_URI}}


def staff_keys(store: BookStore) -> Wanted:
    """Return where the staff token is."""
    staff = store.spec.staff
    return {staff.secret_name or names.staff(store.name): {staff.key: Content.STAFF_TOKEN}}


def missing(snapshot: Snapshot, secret: str, keys: list[str]) -> list[str]:
    """Return those of the keys that a Secret does not have."""
    return [key for key in keys if key not in snapshot.secrets.get(secret, frozenset())]


def faults(snapshot: Snapshot, secret: str, keys: list[str]) -> list[str]:
    """Return what is wrong with the values of keys, a sentence's part each."""
    known = snapshot.malformed.get(secret, {})
    return [f"key `{key}` {known[key]}" for key in keys if key in known]
