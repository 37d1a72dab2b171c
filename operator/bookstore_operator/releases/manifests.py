"""The objects of a release: its record, and the Job that migrates the schema for it."""

import json
from collections.abc import Mapping
from typing import Any

from bookstore_operator.components.serving.pod_template import api_pod_template
from bookstore_operator.core import contract, names
from bookstore_operator.core.kinds import JOBS, RELEASES
from bookstore_operator.core.labels import (
    ATTEMPT_LABEL,
    COLOR_LABEL,
    COMPONENT_LABEL,
    DEFAULT_CONTAINER_ANNOTATION,
    RELEASE_LABEL,
    REVISION_LABEL,
    Component,
)
from bookstore_operator.core.metadata import metadata, owned_by_release
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease, Color
from bookstore_operator.workloads.pod_manifests import resource_manifest


def release(
    store: BookStore, revision: int, attempt: int, color: Color, intent: Mapping[str, Any]
) -> Manifest:
    """Return the BookStoreRelease of an attempt to release an intent, with its Pod template."""
    template = api_pod_template(store.name, revision, color, intent)
    meta = metadata(store, names.release(store.name, revision, attempt))
    meta["labels"] |= {COLOR_LABEL: color.value, REVISION_LABEL: str(revision)}
    return {
        **RELEASES.type_meta,
        "metadata": meta,
        "spec": {
            "storeName": store.name,
            "revision": revision,
            "attempt": attempt,
            "color": color.value,
            "intent": dict(intent),
            "podTemplate": json.dumps(template, indent=2),
        },
    }


SERVING_ONLY = frozenset({"startupProbe", "livenessProbe", "readinessProbe", "ports"})
NEEDED = frozenset({"tmp", contract.DATABASE_FOLDER})
"""The volumes of a migration, which needs neither the cache nor the staff token."""


def expand_job(store: BookStore, release: BookStoreRelease, attempt: int) -> Manifest:
    """Return the Job that expands the schema: the release's Pod with another command.

    One Job is one attempt (backoffLimit 0), because the operator decides which failures count. The
    Job has no TTL and is deleted with its release, so that its result can't be lost unread.
    """
    meta = metadata(store, names.migration_job(release.name, attempt), Component.MIGRATION)
    meta["ownerReferences"] = [owned_by_release(release)]
    meta["labels"] |= {RELEASE_LABEL: release.name, ATTEMPT_LABEL: str(attempt)}
    return {
        **JOBS.type_meta,
        "metadata": meta,
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": store.spec.migration.timeout_seconds,
            "template": _template(store, release),
        },
    }


def _template(store: BookStore, release: BookStoreRelease) -> Manifest:
    template = release.spec.template()
    spec: dict[str, Any] = template["spec"]
    api: Manifest = spec["containers"][0]
    container = {key: value for key, value in api.items() if key not in SERVING_ONLY}
    container["volumeMounts"] = _needed(container["volumeMounts"])
    if resources := store.spec.migration.resources:
        container["resources"] = resource_manifest(resources)
    spec["volumes"] = _needed(spec["volumes"])
    spec["containers"] = [{**container, "name": "migrate", "args": [*contract.EXPAND]}]
    spec["restartPolicy"] = "Never"
    spec.pop("topologySpreadConstraints", None)
    labels = {
        **template["metadata"]["labels"],
        COMPONENT_LABEL: Component.MIGRATION.value,
        RELEASE_LABEL: release.name,
    }
    annotations = _annotations(template)
    metadata = {"labels": labels, **({"annotations": annotations} if annotations else {})}
    return {"metadata": metadata, "spec": spec}


def _needed(items: list[Manifest]) -> list[Manifest]:
    """Return the volumes, or the mounts of those, that a migration needs."""
    own = contract.OWN_SECRET_PREFIX
    return [item for item in items if item["name"] in NEEDED or item["name"].startswith(own)]


def _annotations(template: Manifest) -> dict[str, str]:
    """Return the annotations of a migration's Pod: those of `spec.podMetadata`."""
    return {
        key: value
        for key, value in (template["metadata"].get("annotations") or {}).items()
        if key != DEFAULT_CONTAINER_ANNOTATION and not key.startswith("prometheus.io/")
    }
