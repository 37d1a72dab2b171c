"""Ensure the Secret of the staff token, if the spec names none."""

from collections.abc import Iterator

from bookstore_operator.components.staff.manifests import staff_secret
from bookstore_operator.core.ensure import ensure_secret
from bookstore_operator.core.plan import GENERATED, Action
from bookstore_operator.core.snapshot import Snapshot


def ensure_staff_token(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the Secret of the token. A lost one is recreated, because no data depends on it."""
    store = snapshot.store
    if store.spec.staff.secret_name is None:
        why = "There is no staff token yet."
        yield from ensure_secret(snapshot, staff_secret(store), {"token": GENERATED}, why)
