"""Ensure the Secret of the staff token, if the spec names none."""

from __future__ import annotations

from collections.abc import Iterator

from bookstore_operator.components.staff.manifests import staff_secret, staff_secret_keys
from bookstore_operator.core import names
from bookstore_operator.core.plan import Action, CreateSecret
from bookstore_operator.core.snapshot import Snapshot


def ensure_staff_token(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the Secret of the token. A lost one is recreated, because no data depends on it."""
    store = snapshot.store
    if store.spec.staff.secret_name is None and names.staff(store.name) not in snapshot.secrets:
        yield CreateSecret(
            staff_secret(store), staff_secret_keys(), "Create", "There is no staff token yet."
        )
