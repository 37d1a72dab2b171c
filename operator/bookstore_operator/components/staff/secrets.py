"""The Secret and key of the staff token."""

from bookstore_operator.core import names
from bookstore_operator.core.secret_values import Content
from bookstore_operator.core.secrets import UsedKeys
from bookstore_operator.crd.bookstore import BookStore


def staff_keys(store: BookStore) -> UsedKeys:
    """Return the Secret and key of the staff token."""
    staff = store.spec.staff
    return {staff.secret_name or names.staff(store.name): {staff.key: Content.STAFF_TOKEN}}
