"""Backups: a CronJob that dumps the database to a volume."""

from importlib import resources

from bookstore_operator.components.database.manifests import POSTGRES_USER
from bookstore_operator.core import names
from bookstore_operator.core.ensure import digest
from bookstore_operator.core.kinds import CLAIMS, CRON_JOBS, JOBS
from bookstore_operator.core.labels import (
    DATABASE_ANNOTATION,
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
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.spec.backup import Backup
from bookstore_operator.crd.spec.storage import Storage
from bookstore_operator.workloads.pod_manifests import (
    TMP_MOUNT,
    claim_spec,
    container,
    empty_volume,
    pod_template,
    secret_mount,
    secret_volume,
    service_account,
)

SCRIPT = (
    resources.files("bookstore_operator.components.backup").joinpath("backup.sh").read_text("utf-8")
)
URI_FOLDER = "/run/secrets/database"
DUMPS_FOLDER = "/backup"
STARTING_DEADLINE = 600
"""How late a backup may start, in seconds."""


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


def backup_cron_job(store: BookStore, backup: Backup, image: str, database: str = "") -> Manifest:
    """Return the CronJob of the backups, with a deadline for each run and no concurrent runs.

    Args:
        store: the BookStore.
        backup: its group of the spec.
        image: the image with pg_dump.
        database: the identity of the database; empty while it is unknown.

    """
    spec = {
        "schedule": backup.schedule,
        "timeZone": "Etc/UTC",
        "suspend": backup.suspend,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": STARTING_DEADLINE,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": _job_template(store, backup, image, database),
    }
    return owned_object(CRON_JOBS, store, names.backup(store.name), Component.BACKUP, spec=spec)


def _job_template(store: BookStore, backup: Backup, image: str, database: str) -> Manifest:
    spec = {
        "backoffLimit": 1,
        "activeDeadlineSeconds": backup.timeout_seconds,
        "template": _pod(store, backup, image),
    }
    metadata = {
        "labels": labels(store.name, Component.BACKUP),
        "annotations": {TEMPLATE_ANNOTATION: digest(spec), **_of_database(database)},
    }
    return {"metadata": metadata, "spec": spec}


def _of_database(database: str) -> dict[str, str]:
    return {DATABASE_ANNOTATION: database} if database else {}


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
        "spec": template["spec"],
    }


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


def _pod(store: BookStore, backup: Backup, image: str) -> Manifest:
    external = store.spec.database.external
    secret = external.secret_name if external else names.database(store.name)
    # pg_dump needs one session for its whole run, so it bypasses a pooler if it can.
    key = (external.direct_key or external.key) if external else "uri"
    volumes = (
        {"name": "backup", "persistentVolumeClaim": {"claimName": names.backup(store.name)}},
        empty_volume("tmp", "64Mi"),
        secret_volume("database", secret, {"uri": key}),
    )
    return pod_template(
        store.spec,
        labels(store.name, Component.BACKUP),
        _container(store, backup, image),
        user=POSTGRES_USER,
        volumes=volumes,
        restartPolicy="Never",
        **service_account(store.spec),
    )


def _container(store: BookStore, backup: Backup, image: str) -> Manifest:
    runs = {
        "command": ["/bin/sh", "-c", SCRIPT],
        "env": [
            {"name": "URI_FILE", "value": f"{URI_FOLDER}/uri"},
            {"name": "BACKUP_FOLDER", "value": DUMPS_FOLDER},
            {"name": "BACKUP_NAME", "value": store.name},
            {"name": "BACKUP_KEEP", "value": str(backup.keep)},
            {"name": "BACKUP_TIMEOUT", "value": str(backup.timeout_seconds)},
        ],
    }
    mounts = (
        {"name": "backup", "mountPath": DUMPS_FOLDER},
        TMP_MOUNT,
        secret_mount("database", URI_FOLDER),
    )
    return container("backup", image, runs, resources=backup.resources, mounts=mounts)
