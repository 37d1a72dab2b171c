"""The objects of a release: its record, and the Jobs that migrate the schema or ask an image."""

import json
from collections.abc import Mapping
from typing import Any

from bookstore_operator.components.serving.pod_template import api_pod_template
from bookstore_operator.core import contract, names
from bookstore_operator.core.kinds import JOBS, RELEASES
from bookstore_operator.core.labels import (
    ATTEMPT_LABEL,
    CHECK_LABEL,
    COLOR_LABEL,
    COMPONENT_LABEL,
    DEFAULT_CONTAINER_ANNOTATION,
    MAIN_CONTAINERS,
    RELEASE_LABEL,
    REVISION_LABEL,
    Component,
)
from bookstore_operator.core.metadata import metadata, owned_by_release
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.attempts import Branch
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
TMP = "tmp"
NEEDED = frozenset({TMP, contract.DATABASE_FOLDER})
"""The volumes of a migration, which needs neither the cache nor the staff token."""
ENDED_CHECK_SECONDS = 3600
"""How long the Job of a check is kept, for its log; the release's record has its outcome."""


def migration_job(
    store: BookStore, release: BookStoreRelease, attempt: int, branch: Branch = Branch.EXPAND
) -> Manifest:
    """Return the Job that migrates the schema: the release's Pod with another command.

    One Job is one attempt (backoffLimit 0), because the operator decides which failures count. The
    Job has no TTL and is deleted with its release, so that its result can't be lost unread.
    """
    name = names.migration_job(release.name, attempt, branch)
    meta = _job_metadata(store, release, name, Component.MIGRATION, attempt)
    template = _template(
        store,
        release,
        release,
        component=Component.MIGRATION,
        command=(*contract.MIGRATE, branch.value),
        volumes=NEEDED,
    )
    return _job(meta, template, store.spec.migration.timeout_seconds)


def check_job(  # noqa: PLR0913 - what the Jobs of checks differ in
    store: BookStore,
    release: BookStoreRelease,
    check: str,
    attempt: int,
    *,
    asked: BookStoreRelease,
    command: tuple[str, ...],
    volumes: frozenset[str],
) -> Manifest:
    """Return the Job that asks an image something for a release.

    Args:
        store: the BookStore.
        release: the release that the check is of; it owns the Job.
        check: the name of the check.
        attempt: the number of the attempt.
        asked: the release whose image is asked, in that release's Pod.
        command: the arguments of its entry point.
        volumes: the volumes of the Pod that the command needs.

    """
    name = names.check_job(release.name, check, attempt)
    meta = _job_metadata(store, release, name, Component.CHECK, attempt)
    meta["labels"] |= {CHECK_LABEL: check}
    template = _template(
        store, release, asked, component=Component.CHECK, command=command, volumes=volumes
    )
    template["metadata"]["labels"] |= {CHECK_LABEL: check}
    job = _job(meta, template, store.spec.rollout.progress_deadline_seconds)
    return {**job, "spec": {**job["spec"], "ttlSecondsAfterFinished": ENDED_CHECK_SECONDS}}


def _job_metadata(
    store: BookStore, release: BookStoreRelease, name: str, component: Component, attempt: int
) -> dict[str, Any]:
    meta = metadata(store, name, component)
    meta["ownerReferences"] = [owned_by_release(release)]
    meta["labels"] |= {RELEASE_LABEL: release.name, ATTEMPT_LABEL: str(attempt)}
    return meta


def _job(meta: Manifest, template: Manifest, seconds: int) -> Manifest:
    return {
        **JOBS.type_meta,
        "metadata": meta,
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": seconds,
            "template": template,
        },
    }


def _template(  # noqa: PLR0913 - what the Pods of Jobs differ in
    store: BookStore,
    release: BookStoreRelease,
    asked: BookStoreRelease,
    *,
    component: Component,
    command: tuple[str, ...],
    volumes: frozenset[str],
) -> Manifest:
    """Return the Pod template of a release with another command, without what serving needs."""
    template = asked.spec.template()
    spec: dict[str, Any] = template["spec"]
    api: Manifest = spec["containers"][0]
    container = {key: value for key, value in api.items() if key not in SERVING_ONLY}
    container["volumeMounts"] = _needed(container["volumeMounts"], volumes)
    if resources := store.spec.migration.resources:
        container["resources"] = resource_manifest(resources)
    spec["volumes"] = _needed(spec["volumes"], volumes)
    spec["containers"] = [{**container, "name": MAIN_CONTAINERS[component], "args": [*command]}]
    spec["restartPolicy"] = "Never"
    spec.pop("topologySpreadConstraints", None)
    labels = {
        **template["metadata"]["labels"],
        COMPONENT_LABEL: component.value,
        RELEASE_LABEL: release.name,
    }
    annotations = _annotations(template)
    metadata = {"labels": labels, **({"annotations": annotations} if annotations else {})}
    return {"metadata": metadata, "spec": spec}


def _needed(items: list[Manifest], volumes: frozenset[str]) -> list[Manifest]:
    """Return the volumes, or the mounts of those, that a Job needs: also `spec.secretMounts`."""
    own = contract.OWN_SECRET_PREFIX
    return [item for item in items if item["name"] in volumes or item["name"].startswith(own)]


def _annotations(template: Manifest) -> dict[str, str]:
    """Return the annotations of a Job's Pod: those of `spec.podMetadata`."""
    return {
        key: value
        for key, value in (template["metadata"].get("annotations") or {}).items()
        if key != DEFAULT_CONTAINER_ANNOTATION and not key.startswith("prometheus.io/")
    }
