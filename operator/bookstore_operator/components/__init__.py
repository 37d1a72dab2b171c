"""What a BookStore owns, by subject. Pure.

In a room: what it looks like (manifests.py), facts about it, whether it is ready (gate.py), what is
done about it (ensure.py) and how it is told (condition.py).
"""

from __future__ import annotations

from bookstore_operator.components.cache.secrets import cache_keys
from bookstore_operator.components.database.secrets import database_keys
from bookstore_operator.components.staff.secrets import staff_keys
from bookstore_operator.core.secret_values import Content
from bookstore_operator.core.secrets import Wanted
from bookstore_operator.crd.bookstore import BookStore


def secrets_of_interest(store: BookStore) -> Wanted:
    """Return the Secrets whose keys a Snapshot needs to know. One may serve for several things."""
    found: dict[str, dict[str, Content]] = {}
    for used in (database_keys(store), cache_keys(store), staff_keys(store)):
        for secret, keys in used.items():
            found.setdefault(secret, {}).update(keys)
    return found
