"""The Secret of the signing keys, if the spec names none."""

import json

from bookstore_operator.components.signing_keys.records import first_record
from bookstore_operator.core import names
from bookstore_operator.core.kinds import SECRETS
from bookstore_operator.core.labels import SIGNING_KEYS_ANNOTATION, Component
from bookstore_operator.core.metadata import owned_object
from bookstore_operator.core.plan import GENERATED_ID, GENERATED_KEY, Manifest
from bookstore_operator.crd.bookstore import BookStore

FIRST_KEYS = {
    "keys": json.dumps({"signing": GENERATED_ID, "keys": {GENERATED_ID: GENERATED_KEY}}),
}
"""The generated data of the Secret: a set of one key."""


def keys_secret(store: BookStore) -> Manifest:
    """Return the Secret without keys, with their first record. It is deleted with the BookStore."""
    name = names.signing_keys(store.name)
    secret = owned_object(SECRETS, store, name, Component.API, type="Opaque")
    record = {SIGNING_KEYS_ANNOTATION: first_record(store).text()}
    return {**secret, "metadata": {**secret["metadata"], "annotations": record}}
