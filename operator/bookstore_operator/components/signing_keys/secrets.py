"""The Secret and key of the signing keys."""

from bookstore_operator.core import names
from bookstore_operator.core.key_sets import KeySet
from bookstore_operator.core.secret_values import Content
from bookstore_operator.core.secrets import UsedKeys
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.bookstore import BookStore


def signing_secret(store: BookStore) -> str:
    """Return the name of the Secret of the signing keys."""
    return store.spec.signing_keys.secret_name or names.signing_keys(store.name)


def signing_keys(store: BookStore) -> UsedKeys:
    """Return the Secret and key of the signing keys."""
    return {signing_secret(store): {store.spec.signing_keys.key: Content.SIGNING_KEYS}}


def find_key_set(snapshot: Snapshot) -> KeySet | None:
    """Return what is known of the key set; None if there is none, or it is malformed."""
    return snapshot.key_sets.get(signing_secret(snapshot.store))


def is_ours(store: BookStore) -> bool:
    """Whether the operator makes and rotates the keys."""
    return store.spec.signing_keys.secret_name is None
