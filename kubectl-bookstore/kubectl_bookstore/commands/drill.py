"""`drill`: restore the newest backup into a PostgreSQL of its own, to prove it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bookstore_operator.core import names
from bookstore_operator.core.kinds import BOOKSTORES, CRON_JOBS, JOBS, PODS
from bookstore_operator.core.labels import JOB_NAME_LABELS
from bookstore_operator.core.plan import Manifest
from kubectl_bookstore.cluster.kubectl import Kubectl, KubectlError
from kubectl_bookstore.cluster.observe import find_store
from kubectl_bookstore.commands.follow import follow
from kubectl_bookstore.commands.records import find_record
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.options import TIMEOUT_SECONDS, Output, RequiredName, Timeout, Wait
from kubectl_bookstore.output import Format, print_data, say
from kubectl_bookstore.views.drills import drilled

_BY_HAND = {"cronjob.kubernetes.io/instantiate": "manual"}
"""What `kubectl create job --from` sets."""


def drill(
    kubectl: Kubectl,
    name: RequiredName,
    *,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Restore the newest backup into a database of its own, to prove and measure it.

    Creates a Job of the CronJob that spec.backup.drill describes, as kubectl create job --from
    does. In its Pod the backup is restored, compared with its manifest, and the image that serves
    checks the schema; then all of it is gone. With --wait: code 0 once that succeeded, code 4 if it
    failed.

    For example:
      kubectl bookstore drill demo --wait
    """
    store = find_store(kubectl, name)
    cron_job = _cron_job(kubectl, store)
    job = _begin(kubectl, cron_job, datetime.now(UTC))
    label: str = job["metadata"]["name"]
    if output is Format.TEXT:
        say(f"Job {label} restores the newest backup into a database of its own.")
    if not wait:
        return _print({"job": job, "store": store}, output)
    last, code = follow(
        lambda: _read(kubectl, store["metadata"]["name"], label), drilled, timeout, output, label
    )
    _print(last, output)
    return code


def _cron_job(kubectl: Kubectl, store: Manifest) -> Manifest:
    label = store["metadata"]["name"]
    if not (store["spec"].get("backup") or {}).get("drill"):
        message = (
            f"BookStore {label} has no spec.backup.drill, which says what a drill may take. Set "
            "its schedule: docs/reference/backups.md."
        )
        raise PluginError(message, ExitCode.REFUSED)
    found = kubectl.find(CRON_JOBS, names.drill(label))
    if found is None:
        message = (
            f"CronJob {names.drill(label)} does not exist yet: the operator makes it once a "
            f"release serves. See kubectl bookstore why {label}."
        )
        raise PluginError(message, ExitCode.REFUSED)
    return found


def _begin(kubectl: Kubectl, cron_job: Manifest, now: datetime) -> Manifest:
    """Return the Job of a new drill, or of one that begins in the same minute.

    Its name is the one that the CronJob's controller gives to a Job of this minute.
    """
    job = _manifest(cron_job, f"{cron_job['metadata']['name']}-{int(now.timestamp()) // 60}")
    try:
        return kubectl.create(job)
    except KubectlError as error:
        existing = kubectl.find(JOBS, job["metadata"]["name"])
        if error.reason != "AlreadyExists" or existing is None:
            raise
        return existing


def _manifest(cron_job: Manifest, name: str) -> dict[str, Any]:
    template, owner = cron_job["spec"]["jobTemplate"], cron_job["metadata"]
    metadata = template.get("metadata") or {}
    return {
        **JOBS.type_meta,
        "metadata": {
            "name": name,
            "namespace": owner["namespace"],
            "labels": metadata.get("labels") or {},
            "annotations": {**(metadata.get("annotations") or {}), **_BY_HAND},
            "ownerReferences": [
                {
                    **CRON_JOBS.type_meta,
                    "name": owner["name"],
                    "uid": owner["uid"],
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": template["spec"],
    }


def _read(kubectl: Kubectl, store: str, job: str) -> dict[str, Any]:
    """Return what shows how far a drill is. Its Job is read before the report about it."""
    found = kubectl.find(JOBS, job)
    pods = kubectl.list_all([PODS], selector=f"{JOB_NAME_LABELS[0]}={job}")
    return {
        "name": job,
        "job": found,
        "pods": pods,
        "store": find_record(kubectl, BOOKSTORES, store),
    }


def _print(last: Mapping[str, Any], output: Format) -> ExitCode:
    if output is not Format.TEXT:
        job = last["job"]["metadata"]["name"] if last.get("job") else last["name"]
        reported = (last["store"].get("status") or {}).get("lastDrill") or {}
        print_data(
            {"job": job, "lastDrill": reported if reported.get("job") == job else None}, output
        )
    return ExitCode.DONE
