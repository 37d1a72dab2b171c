"""The Jobs of BookStoreBackups: from the template of the CronJob, as it is in the cluster."""

from bookstore_operator.components.backup import tool
from bookstore_operator.components.backup.images import backup_image
from bookstore_operator.components.backup.manifests import with_reason
from bookstore_operator.core import names
from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.kinds import CRON_JOBS, JOBS
from bookstore_operator.core.labels import Component
from bookstore_operator.core.metadata import metadata, owned_by_backup
from bookstore_operator.core.plan import Create, Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.rejections import rejected
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backup import BookStoreBackup

RESULT_KEPT_SECONDS = 86400
"""How long the Job of a request is kept: an operator that is away meanwhile reads its result."""
KEPT_SECONDS = 3600
"""How long the Job of a verification is kept after its end, for its log; the record has more."""


def create_job(snapshot: Snapshot, record: BookStoreBackup) -> Create:
    """Return the creation of the Job that takes the backup which a record asks for."""
    cron_job = snapshot.objects[CRON_JOBS.ref(names.backup(snapshot.store.name))]
    template: Manifest = cron_job["spec"]["jobTemplate"]
    labelled = template["metadata"]
    job = {
        **JOBS.type_meta,
        "metadata": {
            "name": names.backup_job(record.name, record.metadata.uid),
            "namespace": snapshot.store.metadata.namespace,
            "labels": {**labelled["labels"]},
            "annotations": {**(labelled.get("annotations") or {})},
            "ownerReferences": [owned_by_backup(record)],
        },
        "spec": {
            **with_reason(template["spec"], record.spec.reason),
            "ttlSecondsAfterFinished": RESULT_KEPT_SECONDS,
        },
    }
    message = f"Back up the database for BookStoreBackup {record.name}: {record.spec.reason}."
    return Create(job, "BackUp", message)


def waits_for_creation(snapshot: Snapshot, job: Create) -> Waiting:
    """Return what a Job that is to be created waits for: a quota or a webhook may reject it."""
    name = job.manifest["metadata"]["name"]
    rejection = snapshot.rejection
    if rejection and rejection.target == JOBS.ref(name):
        return rejected(rejection)
    return Waiting(Reason.BACKING_UP, f"Job {name} is created.")


def verify_job(snapshot: Snapshot, record: BookStoreBackup) -> Create | None:
    """Return the creation of the Job of a record's next verification; None without an image.

    The BookStore owns it, since the record may outlive that: nothing runs for one that is gone.
    """
    store, run, image = snapshot.store, record.status.verification, backup_image(snapshot)
    backup = store.spec.backup
    if backup is None or run is None or image is None:
        return None
    template = tool.tool_pod(
        store,
        image,
        ("verify", record.status.backup),
        (
            tool.store_option(store.metadata.namespace, store.name),
            tool.target_of(store, backup),
            tool.identities_of(backup.encryption),
        ),
        component=Component.VERIFY,
        resources=backup.resources,
    )
    name = names.verify_job(record.name, record.metadata.uid, run.attempt)
    spec = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": backup.timeout_seconds,
        "ttlSecondsAfterFinished": KEPT_SECONDS,
        "template": template,
    }
    message = f"Verify backup {record.status.backup} of BookStoreBackup {record.name}."
    return Create(
        {**JOBS.type_meta, "metadata": metadata(store, name, Component.VERIFY), "spec": spec},
        "Verify",
        message,
    )
