"""Drills: a CronJob whose Pods restore the newest backup into a PostgreSQL of their own.

It is a CronJob beside that of the backups, so that drills go on while the operator is away. In its
Pod a server starts first, as a sidecar on 127.0.0.1 whose data goes with the Pod. Then the tool
restores into it, compares and measures. Last, the image that serves is asked whether its code works
on what came back: that container is the main one.
"""

from typing import Any

from bookstore_operator.components.backup import tool
from bookstore_operator.components.backup.manifests import STARTING_DEADLINE
from bookstore_operator.components.database.manifests import FOLDER, PORT
from bookstore_operator.core import contract, names
from bookstore_operator.core.ensure import digest
from bookstore_operator.core.kinds import CRON_JOBS
from bookstore_operator.core.labels import (
    DRILL_CONTAINER,
    DRILL_SERVER,
    MAIN_CONTAINERS,
    TEMPLATE_ANNOTATION,
    Component,
    labels,
)
from bookstore_operator.core.metadata import owned_object
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.spec.backup import Backup, Drill
from bookstore_operator.workloads.pod_manifests import (
    TMP_MOUNT,
    container,
    empty_volume,
    pod_template,
    service_account,
)

USER = "drill"
KEPT_DATABASE = "bookstore_drill_restored"
"""The name under which the tool leaves the restored database for the check of the schema."""
_URI = f"postgresql://{USER}@127.0.0.1:{PORT}"
_KEPT_FIELDS = ("image", "imagePullPolicy", "command", "env", "resources")
_START_PROBES = 150
"""How often the server is probed, each 2 s, until it must have started."""


def drill_cron_job(  # noqa: PLR0913 - the parts of its Pod come from different places
    store: BookStore,
    backup: Backup,
    drill: Drill,
    active: BookStoreRelease,
    *,
    tool_image: str,
    server_image: str,
) -> Manifest:
    """Return the CronJob of the drills.

    Args:
        store: the BookStore.
        backup: its group of the spec.
        drill: the part of that about drills.
        active: the release that serves, whose image is asked.
        tool_image: the image of bookstore-backup.
        server_image: the image of PostgreSQL, of the same major version.

    """
    job = {
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "activeDeadlineSeconds": drill.timeout_seconds,
        "template": _pod(store, backup, drill, active, tool_image, server_image),
    }
    spec = {
        "schedule": drill.schedule,
        "timeZone": backup.time_zone,
        "suspend": backup.suspend,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": STARTING_DEADLINE,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {
            "metadata": {
                "labels": labels(store.name, Component.DRILL),
                "annotations": {TEMPLATE_ANNOTATION: digest(job)},
            },
            "spec": job,
        },
    }
    return owned_object(CRON_JOBS, store, names.drill(store.name), Component.DRILL, spec=spec)


def _pod(  # noqa: PLR0913, PLR0917 - see drill_cron_job
    store: BookStore,
    backup: Backup,
    drill: Drill,
    active: BookStoreRelease,
    tool_image: str,
    server_image: str,
) -> Manifest:
    inputs = (
        tool.store_option(store.metadata.namespace, store.name),
        tool.target_of(store, backup),
        tool.identities_of(backup.encryption),
    )
    command = ("drill", "latest", f"--keep-database={KEPT_DATABASE}")
    restores = tool.tool_container(DRILL_CONTAINER, tool_image, command, inputs, backup.resources)
    server = {"name": "BOOKSTORE_BACKUP_SERVER_URI", "value": f"{_URI}/postgres"}
    template = active.spec.template()["spec"]
    return pod_template(
        store.spec,
        labels(store.name, Component.DRILL),
        _check(template["containers"][0]),
        user=tool.TOOL_USER,
        volumes=[
            empty_volume("drill-data", drill.size),
            empty_volume("drill-run", "16Mi"),
            *tool.tool_volumes(inputs),
            *(volume for volume in template["volumes"] if _is_own(volume)),
        ],
        restartPolicy="Never",
        initContainers=[
            _server(drill, server_image),
            {**restores, "env": [*restores["env"], server]},
        ],
        **service_account(store.spec),
    )


def _server(drill: Drill, image: str) -> Manifest:
    """Return the sidecar: it starts before the others, and ends with the last of them.

    With the settings of an embedded database, so that the time measured is that of a restore. Who
    is in the Pod needs no password, and nobody else reaches it.
    """
    runs: dict[str, Any] = {
        "restartPolicy": "Always",
        "args": ["-c", "listen_addresses=127.0.0.1"],
        "env": [
            {"name": "POSTGRES_USER", "value": USER},
            {"name": "POSTGRES_HOST_AUTH_METHOD", "value": "trust"},
            {"name": "POSTGRES_INITDB_ARGS", "value": "--data-checksums"},
            {"name": "PGDATA", "value": f"{FOLDER}/pgdata"},
        ],
        "startupProbe": {
            "exec": {
                "command": [
                    *("pg_isready", "--quiet", "--host=127.0.0.1", f"--port={PORT}"),
                    *(f"--username={USER}", "--dbname=postgres"),
                ]
            },
            "periodSeconds": 2,
            "timeoutSeconds": 3,
            "failureThreshold": _START_PROBES,
        },
    }
    mounts = (
        {"name": "drill-data", "mountPath": FOLDER},
        {"name": "drill-run", "mountPath": "/var/run/postgresql"},
        TMP_MOUNT,
    )
    return container(DRILL_SERVER, image, runs, resources=drill.resources, mounts=mounts)


def _check(api: Manifest) -> Manifest:
    """Return the container that asks the image that serves: as its migrations run, elsewhere."""
    address = {"name": "BOOKSTORE_DATABASE_URL", "value": f"{_URI}/{KEPT_DATABASE}"}
    kept = {key: api[key] for key in _KEPT_FIELDS if key in api}
    user = {"runAsUser": contract.API_USER, "runAsGroup": contract.API_USER}
    return {
        "name": MAIN_CONTAINERS[Component.DRILL],
        **kept,
        "args": [*contract.CHECK_SCHEMA],
        "env": [*(api.get("env") or ()), address],
        "securityContext": {**(api.get("securityContext") or {}), **user},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [TMP_MOUNT, *(m for m in api["volumeMounts"] if _is_own(m))],
    }


def _is_own(item: Manifest) -> bool:
    """Whether a volume or a mount is one of `spec.secretMounts`."""
    return str(item["name"]).startswith(contract.OWN_SECRET_PREFIX)
