"""Backups: a CronJob that runs bookstore-backup, and Jobs of its template."""

from collections.abc import Mapping

from bookstore_operator.components.backup import tool
from bookstore_operator.core import names
from bookstore_operator.core.ensure import digest
from bookstore_operator.core.kinds import CLAIMS, CRON_JOBS, JOBS
from bookstore_operator.core.labels import (
    DATABASE_ANNOTATION,
    MAIN_CONTAINERS,
    RELEASE_LABEL,
    TEMPLATE_ANNOTATION,
    Component,
    labels,
)
from bookstore_operator.core.metadata import (
    data_metadata,
    keeps_data,
    owned_by_release,
    owned_object,
)
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.backup import BackupReason
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.spec.backup import Backup
from bookstore_operator.crd.spec.database import Database
from bookstore_operator.crd.spec.storage import Storage
from bookstore_operator.workloads.pod_manifests import claim_spec

STARTING_DEADLINE = 600
"""How late a backup may start, in seconds."""
USELESS_TO_REPEAT = (2, 7)
"""Exit codes of the tool that another attempt would end with, too: a wrong setting, a refusal."""
_REASON = "--reason="


def backup_claim(store: BookStore, storage: Storage) -> Manifest:
    """Return the claim of the volume that holds the backups."""
    spec = claim_spec(storage)
    owned = not keeps_data(store)
    meta = data_metadata(store, names.backup(store.name), Component.BACKUP, owned)
    annotations = {TEMPLATE_ANNOTATION: digest(spec)}
    return {**CLAIMS.type_meta, "metadata": {**meta, "annotations": annotations}, "spec": spec}


def with_existing_spec(claim: Manifest, existing: Manifest, size: str | None = None) -> Manifest:
    """Return a claim with the spec of the existing one, which is immutable but for its size."""
    keys = ("accessModes", "resources", "storageClassName")
    spec = {key: existing["spec"][key] for key in keys if key in existing["spec"]}
    if size is not None:
        spec["resources"] = {"requests": {"storage": size}}
    observed = existing["metadata"].get("annotations") or {}
    kept = {key: observed[key] for key in (TEMPLATE_ANNOTATION,) if key in observed}
    return {**claim, "metadata": {**claim["metadata"], "annotations": kept}, "spec": spec}


def backup_cron_job(
    store: BookStore,
    backup: Backup,
    image: str,
    database: Database | None = None,
    identity: str = "",
) -> Manifest:
    """Return the CronJob of the backups, with a deadline for each run and no concurrent runs.

    Args:
        store: the BookStore.
        backup: its group of the spec.
        image: the image of the tool.
        database: the database that is backed up; by default that of the spec.
        identity: its identity; empty while it is unknown.

    """
    spec = {
        "schedule": backup.schedule,
        "timeZone": backup.time_zone,
        "suspend": backup.suspend,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": STARTING_DEADLINE,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": _job_template(
            store.name,
            backup,
            _pod(store, backup, image, database or store.spec.database),
            identity,
        ),
    }
    return owned_object(CRON_JOBS, store, names.backup(store.name), Component.BACKUP, spec=spec)


def _job_template(store: str, backup: Backup, pod: Manifest, identity: str) -> Manifest:
    spec = {
        "backoffLimit": 1,
        "activeDeadlineSeconds": backup.timeout_seconds,
        "podFailurePolicy": _failure_policy(),
        "template": pod,
    }
    metadata = {
        "labels": labels(store, Component.BACKUP),
        "annotations": {TEMPLATE_ANNOTATION: digest(spec), **_of_database(identity)},
    }
    return {"metadata": metadata, "spec": spec}


def _failure_policy() -> Manifest:
    """Return which attempts end the Job at once."""
    name = MAIN_CONTAINERS[Component.BACKUP]
    codes = {"containerName": name, "operator": "In", "values": list(USELESS_TO_REPEAT)}
    return {"rules": [{"action": "FailJob", "onExitCodes": codes}]}


def _of_database(identity: str) -> dict[str, str]:
    return {DATABASE_ANNOTATION: identity} if identity else {}


def release_backup_job(cron_job: Manifest, release: BookStoreRelease, attempt: int) -> Manifest:
    """Return the Job that backs up the database before a release migrates it.

    The release owns it: the CronJob's controller warns of Jobs that it has not created.
    """
    template, name = cron_job["spec"]["jobTemplate"], names.release_backup(release.name, attempt)
    metadata = template["metadata"]
    return {
        **JOBS.type_meta,
        "metadata": {
            "name": name,
            "namespace": cron_job["metadata"]["namespace"],
            "labels": {**metadata["labels"], RELEASE_LABEL: release.name},
            "annotations": {**(metadata.get("annotations") or {})},
            "ownerReferences": [owned_by_release(release)],
        },
        "spec": with_reason(template["spec"], BackupReason.BEFORE_MIGRATION),
    }


def with_reason(job: Mapping[str, Manifest], reason: BackupReason) -> Manifest:
    """Return the spec of a backup Job with why the backup is taken."""
    template = job["template"]
    (main, *others) = template["spec"]["containers"]
    arguments = [
        f"{_REASON}{reason}" if argument.startswith(_REASON) else argument
        for argument in main.get("args") or ()
    ]
    pod = {**template["spec"], "containers": [{**main, "args": arguments}, *others]}
    return {**job, "template": {**template, "spec": pod}}


def backup_job(cron_job: Manifest, uid: str) -> Manifest:
    """Return a Job of the CronJob with this uid, named by its template."""
    template, metadata = cron_job["spec"]["jobTemplate"], cron_job["metadata"]
    owner = {
        **CRON_JOBS.type_meta,
        "name": metadata["name"],
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    name = f"{metadata['name']}-{template['metadata']['annotations'][TEMPLATE_ANNOTATION][:8]}"
    return {
        **JOBS.type_meta,
        "metadata": {
            **template["metadata"],
            "name": name,
            "namespace": metadata["namespace"],
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }


def _pod(store: BookStore, backup: Backup, image: str, database: Database) -> Manifest:
    kept = backup.kept
    command = (
        *("create", f"{_REASON}{BackupReason.SCHEDULED}"),
        *(f"--keep-last={kept.keep_last}", f"--keep-daily={kept.keep_daily}"),
        *(f"--keep-weekly={kept.keep_weekly}", f"--keep-monthly={kept.keep_monthly}"),
        f"--minimum={kept.minimum}",
        # A migration may hold the lock; the other half of the time is for the backup itself.
        f"--lock-wait={backup.timeout_seconds // 2}",
    )
    inputs = (
        tool.store_option(store.metadata.namespace, store.name),
        tool.database_of(store.name, database),
        tool.target_of(store, backup),
        tool.recipients_of(backup.encryption),
    )
    return tool.tool_pod(
        store, image, command, inputs, component=Component.BACKUP, resources=backup.resources
    )
