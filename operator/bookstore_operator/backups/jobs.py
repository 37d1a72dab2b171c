"""The Jobs of BookStoreBackups: from the template of the CronJob, as it is in the cluster."""

from typing import Any

from bookstore_operator.core import names
from bookstore_operator.core.kinds import BACKUPS, CRON_JOBS, JOBS
from bookstore_operator.core.plan import Create, Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backup import BookStoreBackup


def create_job(snapshot: Snapshot, record: BookStoreBackup) -> Create:
    """Return the creation of the Job that takes the backup which a record asks for."""
    cron_job = snapshot.objects[CRON_JOBS.ref(names.backup(snapshot.store.name))]
    template: Manifest = cron_job["spec"]["jobTemplate"]
    metadata = template["metadata"]
    job = {
        **JOBS.type_meta,
        "metadata": {
            "name": names.backup_job(record.name, record.metadata.uid),
            "namespace": snapshot.store.metadata.namespace,
            "labels": {**metadata["labels"]},
            "annotations": {**(metadata.get("annotations") or {})},
            "ownerReferences": [owned_by_backup(record)],
        },
        "spec": template["spec"],
    }
    message = f"Back up the database for BookStoreBackup {record.name}: {record.spec.reason}."
    return Create(job, "BackUp", message)


def owned_by_backup(record: BookStoreBackup) -> dict[str, Any]:
    """Return the owner reference to a BookStoreBackup: deleting it ends its Job."""
    return {
        **BACKUPS.type_meta,
        "name": record.name,
        "uid": record.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
