"""A BookStoreRelease."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bookstore_operator.components.serving.pod_template import pod_template
from bookstore_operator.core import names
from bookstore_operator.core.labels import COLOUR_LABEL, REVISION_LABEL
from bookstore_operator.core.metadata import Object, metadata
from bookstore_operator.crd.base import API_VERSION
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import KIND, Colour


def release(
    store: BookStore, revision: int, attempt: int, colour: Colour, intent: Mapping[str, Any]
) -> Object:
    """Return the record of an attempt to make an intent active, its Pod template rendered."""
    template = pod_template(store.name, revision, colour, intent)
    meta = metadata(store, names.release(store.name, revision, attempt))
    meta["labels"] |= {COLOUR_LABEL: colour.value, REVISION_LABEL: str(revision)}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": meta,
        "spec": {
            "storeName": store.name,
            "revision": revision,
            "attempt": attempt,
            "colour": colour.value,
            "intent": dict(intent),
            "podTemplate": json.dumps(template, indent=2),
        },
    }
