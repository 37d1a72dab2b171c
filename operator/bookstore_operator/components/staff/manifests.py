"""The Secret of the staff token, if the spec names none."""

from bookstore_operator.core import names
from bookstore_operator.core.kinds import SECRETS
from bookstore_operator.core.labels import Component
from bookstore_operator.core.metadata import owned_object
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStore


def staff_secret(store: BookStore) -> Manifest:
    """Return the Secret without the token. It is deleted with the BookStore."""
    return owned_object(SECRETS, store, names.staff(store.name), Component.API, type="Opaque")
