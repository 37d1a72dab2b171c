"""Generate signing keys, and write them into their Secret: the only place that has their values."""

import base64
import secrets
from collections.abc import Mapping

from bookstore_operator.core.key_sets import document_of, with_changes
from bookstore_operator.core.kinds import SECRETS
from bookstore_operator.core.plan import GENERATED, GENERATED_ID, GENERATED_KEY, ChangeKeySet
from bookstore_operator.kube.client import Api

_RANDOM_BYTES = 32
_ID_BYTES = 8


class KeySetChangedError(Exception):
    """The Secret is not as it was observed."""


def generated_values() -> Mapping[str, str]:
    """Return random values by their placeholders. The id of a key is never used again."""
    return {
        GENERATED: secrets.token_urlsafe(_RANDOM_BYTES),
        GENERATED_KEY: secrets.token_hex(_RANDOM_BYTES),
        GENERATED_ID: secrets.token_hex(_ID_BYTES),
    }


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """Return a text with values in place of placeholders."""
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def encoded(text: str) -> str:
    """Return a value as the data of a Secret has it."""
    return base64.b64encode(text.encode()).decode()


async def change_key_set(api: Api, action: ChangeKeySet, namespace: str) -> None:
    """Write a change of the keys and its record, if the Secret is as it was observed.

    Raises:
        KeySetChangedError: it has another version.
        ApiError: as every request; 409 if it has changed since it was read here.

    """
    secret = await api.get(SECRETS, namespace, action.key.name)
    document = document_of(secret, action.document)
    if secret["metadata"]["resourceVersion"] != action.version or document is None:
        raise KeySetChangedError(f"Secret {action.key.name} has changed since it was observed")
    values = generated_values()
    published = {values[GENERATED_ID]: values[GENERATED_KEY]} if action.publishes else {}
    signing = action.signing or document.signing
    after = with_changes(document, published, signing, action.retires)
    annotations = {name: fill_in(text, values) for name, text in action.annotations.items()}
    change = {
        "metadata": {"resourceVersion": action.version, "annotations": annotations},
        "data": {action.document: encoded(after.text())},
    }
    await api.merge(SECRETS, namespace, action.key.name, change)
