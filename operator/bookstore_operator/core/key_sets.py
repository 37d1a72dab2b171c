"""The document of signing keys that the API reads: docs/reference/accounts.md has its form.

Values of keys appear here only in the arguments of pure functions, which the Executor and the
reader of Secrets call. A Snapshot has a KeySet, without any value.
"""

import base64
import binascii
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bookstore_operator.core.contract import MOST_SIGNING_KEYS
from bookstore_operator.core.labels import SIGNING_KEYS_ANNOTATION
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.base import parse_time

_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY = re.compile(r"(?:[0-9a-f]{2}){32,64}")


class Document(NamedTuple):
    """What a key set has in it."""

    signing: str
    keys: Mapping[str, str]
    """The keys as hexadecimal digits, by their ids."""

    def text(self) -> str:
        """Return the document as the API reads it: one line of JSON."""
        return json.dumps({"signing": self.signing, "keys": dict(sorted(self.keys.items()))})


@dataclass(frozen=True, slots=True)
class KeySet:
    """The ids of the keys in a Secret, and what is recorded of them. Never a key."""

    version: str
    """The resourceVersion of the Secret."""
    signing: str
    kids: tuple[str, ...]
    created_at: datetime
    """When the Secret was created."""
    record: str = ""
    """The text of the annotation of the Secret that has the states of the keys."""


def read_document(text: str) -> Document | None:
    """Return a key set, by the rules of the API; None if it is malformed."""
    try:
        data = json.loads(text)
        document = Document(data["signing"], data["keys"])
        valid = (
            data.keys() == {"signing", "keys"}
            and document.signing in document.keys
            and 0 < len(document.keys) <= MOST_SIGNING_KEYS
            and all(_KID.fullmatch(kid) for kid in document.keys)
            and all(isinstance(key, str) and _KEY.fullmatch(key) for key in document.keys.values())
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return document if valid else None


def document_of(secret: Manifest, key: str) -> Document | None:
    """Return the key set in a Secret; None if there is none, or if it is malformed."""
    try:
        encoded = (secret.get("data") or {})[key]
        text = base64.b64decode(encoded, validate=True).decode()
    except (KeyError, binascii.Error, UnicodeDecodeError):
        return None
    return read_document(text.strip())


def describe_key_set(secret: Manifest, key: str) -> KeySet | None:
    """Return what a Snapshot has of a key set; None if there is none, or if it is malformed."""
    document = document_of(secret, key)
    if document is None:
        return None
    metadata = secret["metadata"]
    record = (metadata.get("annotations") or {}).get(SIGNING_KEYS_ANNOTATION, "")
    kids = tuple(sorted(document.keys))
    created_at = parse_time(metadata["creationTimestamp"])
    return KeySet(metadata["resourceVersion"], document.signing, kids, created_at, record)


def with_changes(
    document: Document, published: Mapping[str, str], signing: str, retired: Collection[str]
) -> Document:
    """Return a key set with keys added and removed, and another one that signs."""
    keys = {**document.keys, **published}
    return Document(signing, {kid: key for kid, key in keys.items() if kid not in retired})
