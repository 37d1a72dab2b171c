"""The backups: a volume for the dumps and a schedule."""

from collections.abc import Iterator

from bookstore_operator.components.backup import schedule
from bookstore_operator.components.backup.drill import drill_cron_job
from bookstore_operator.components.backup.images import backup_image
from bookstore_operator.components.backup.manifests import (
    backup_claim,
    backup_cron_job,
    backup_job,
    with_existing_spec,
)
from bookstore_operator.components.database.identity import identity_of
from bookstore_operator.components.database.servers import serving_database
from bookstore_operator.core import history, names
from bookstore_operator.core.ensure import digest, ensure, ensure_absent
from bookstore_operator.core.kinds import CLAIMS, CRON_JOBS, JOBS
from bookstore_operator.core.labels import APPLIED_ANNOTATION, TEMPLATE_ANNOTATION
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Action, Create, Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.spec.backup import Backup
from bookstore_operator.workloads.stuck import delete_unchanged, is_unbound, never_started


def ensure_backups(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the changes of the backup objects. The dumps are kept when spec.backup is removed."""
    store = snapshot.store
    backup = store.spec.backup
    if backup is None:
        for name in (names.backup(store.name), names.drill(store.name)):
            old = find(snapshot, CRON_JOBS, name)
            yield from ensure_absent(old, "spec.backup was removed.")
        return
    if volume := backup.volume:
        yield from _ensure_claim(snapshot, backup_claim(store, volume))
    observed = find(snapshot, CRON_JOBS, names.backup(store.name))
    database = serving_database(snapshot)
    identity = identity_of(snapshot, database) or schedule.database_of(observed)
    if observed is None and not identity:
        return  # there is no database to back up yet; its identity is part of the CronJob
    image = backup_image(snapshot)
    if image is None:
        return  # the condition says so; what is there may still suit the server
    cron_job = backup_cron_job(store, backup, image, database, identity)
    yield from ensure(snapshot, cron_job)
    yield from _replace_stuck_job(snapshot, cron_job)
    yield from _ensure_drills(snapshot, backup, image)


def _ensure_drills(snapshot: Snapshot, backup: Backup, image: str) -> Iterator[Action]:
    """Yield the changes of the CronJob of drills. The image that serves is part of it."""
    store, active = snapshot.store, history.active(snapshot)
    if backup.drill is None:
        old = find(snapshot, CRON_JOBS, names.drill(store.name))
        yield from ensure_absent(old, "spec.backup.drill was removed.")
    elif active is not None:
        yield from ensure(
            snapshot,
            drill_cron_job(
                *(store, backup, backup.drill, active),
                tool_image=image,
                server_image=snapshot.settings.postgres_image,
            ),
        )


def _ensure_claim(snapshot: Snapshot, claim: Manifest) -> Iterator[Action]:
    yield from _replace_unbound_claim(snapshot, claim)
    existing = find(snapshot, CLAIMS, claim["metadata"]["name"])
    if existing and not _is_as_created(existing, claim):
        claim = with_existing_spec(claim, existing)
    yield from ensure(snapshot, claim)


def _is_as_created(existing: Manifest, claim: Manifest) -> bool:
    """Whether a claim was last applied as it is to be; the API server has filled in defaults."""
    annotations = existing["metadata"].get("annotations") or {}
    return annotations.get(APPLIED_ANNOTATION) == digest(claim)


def _replace_unbound_claim(snapshot: Snapshot, claim: Manifest) -> Iterator[Action]:
    """Yield the deletion of a claim that has no volume yet, and with it no dumps, if it differs."""
    existing = find(snapshot, CLAIMS, claim["metadata"]["name"])
    if existing is None or existing["metadata"].get("deletionTimestamp"):
        return
    mine = (existing["metadata"].get("annotations") or {}).get(TEMPLATE_ANNOTATION)
    same = mine in {None, claim["metadata"]["annotations"][TEMPLATE_ANNOTATION]}
    if same or not is_unbound(existing):
        return
    why = "it has no volume yet, and the spec has been changed since."
    yield delete_unchanged(existing, why)
    job = schedule.running(snapshot)
    if job and never_started(snapshot, job):  # its Pod uses the claim
        yield delete_unchanged(job, why)


def _replace_stuck_job(snapshot: Snapshot, cron_job: Manifest) -> Iterator[Action]:
    """Yield the replacement of a Job whose Pod can't start, once its template has changed.

    Until its deadline, that Job would be the only one, because two must not run at once.
    """
    job = schedule.running(snapshot)
    observed = find(snapshot, CRON_JOBS, cron_job["metadata"]["name"])
    if job is None or observed is None or job["metadata"].get("deletionTimestamp"):
        return
    template = cron_job["spec"]["jobTemplate"]["metadata"]["annotations"][TEMPLATE_ANNOTATION]
    mine = (job["metadata"].get("annotations") or {}).get(TEMPLATE_ANNOTATION)
    if mine == template or not never_started(snapshot, job):
        return
    yield delete_unchanged(job, "its Pod can't start, and the spec has been changed since.")
    again = backup_job(cron_job, observed["metadata"]["uid"])
    if find(snapshot, JOBS, again["metadata"]["name"]) is None:
        message = f"Backup Job {again['metadata']['name']} replaces {job['metadata']['name']}."
        yield Create(again, "Replace", message)
