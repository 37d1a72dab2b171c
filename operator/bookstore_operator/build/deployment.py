"""The Deployment of a colour."""

from __future__ import annotations

from bookstore_operator.core import names
from bookstore_operator.core.labels import COLOUR_LABEL, REVISION_LABEL, Component, colour_selector
from bookstore_operator.core.metadata import Object, metadata
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease


def deployment(store: BookStore, release: BookStoreRelease) -> Object:
    """Return the Deployment that runs a release. Its replica count is set by /scale only."""
    colour = release.spec.colour
    meta = metadata(store, names.deployment(store.name, colour), Component.API)
    meta["labels"] |= {COLOUR_LABEL: colour.value, REVISION_LABEL: str(release.spec.revision)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {
            "selector": {"matchLabels": colour_selector(store.name, colour)},
            "template": release.spec.template(),
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0},
            },
            "progressDeadlineSeconds": store.spec.rollout.progress_deadline_seconds,
            "revisionHistoryLimit": 2,
        },
    }
