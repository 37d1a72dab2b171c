"""The embedded database: one PostgreSQL server, its Secret and its headless Service."""

from dataclasses import dataclass
from typing import Any

from bookstore_operator.components.database.servers import Server
from bookstore_operator.core import names
from bookstore_operator.core.kinds import SECRETS, SERVICES, STATEFUL_SETS
from bookstore_operator.core.metadata import keeps_data, owned_by_restore, owned_by_store
from bookstore_operator.core.plan import GENERATED, Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.restore import BookStoreRestore
from bookstore_operator.crd.spec.resources import Resources
from bookstore_operator.crd.spec.storage import Storage
from bookstore_operator.workloads.pod_manifests import (
    TMP_MOUNT,
    claim_spec,
    container,
    empty_volume,
    pod_template,
    secret_mount,
    secret_volume,
    tcp_port,
)

POSTGRES_USER = 999
"""The uid of the user `postgres` in the official image."""
PORT = 5432
FOLDER = "/var/lib/postgresql"
PASSWORD_FOLDER = "/run/secrets/postgres"  # noqa: S105 - a folder


@dataclass(frozen=True, slots=True)
class Place:
    """What a server runs with, and whom it belongs to."""

    server: Server
    storage: Storage
    resources: Resources
    image: str
    restore: BookStoreRestore | None = None
    """The owner of a restored server that no release has used; None: the BookStore."""


def database_secret(store: BookStore, server: Server) -> Manifest:
    """Return the database's Secret without the keys that contain the password.

    It is created without an owner, which `database_secret_owner` applies.
    """
    return {
        **SECRETS.type_meta,
        "metadata": _data_metadata(store, server),
        "type": "Opaque",
        "stringData": {
            "username": names.DATABASE_USER,
            "dbname": names.DATABASE_NAME,
            "host": _host(store, server),
            "port": str(PORT),
        },
    }


def database_secret_owner(
    store: BookStore, server: Server, restore: BookStoreRestore | None = None
) -> Manifest:
    """Return the part of the Secret that decides with what it is deleted."""
    meta = _data_metadata(store, server)
    if restore or not keeps_data(store):
        meta["ownerReferences"] = [_owner(store, restore)]
    return {**SECRETS.type_meta, "metadata": meta}


def database_secret_keys(store: BookStore, server: Server) -> dict[str, str]:
    """Return the keys of the Secret that contain the password: `password` and `uri`."""
    user, database = names.DATABASE_USER, names.DATABASE_NAME
    return {
        "password": GENERATED,
        "uri": f"postgresql://{user}:{GENERATED}@{_host(store, server)}:{PORT}/{database}",
    }


def _host(store: BookStore, server: Server) -> str:
    return f"{server.name}.{store.metadata.namespace}.svc"


def _owner(store: BookStore, restore: BookStoreRestore | None) -> dict[str, Any]:
    return owned_by_restore(restore) if restore else owned_by_store(store)


def _data_metadata(store: BookStore, server: Server) -> dict[str, Any]:
    return {
        "name": server.name,
        "namespace": store.metadata.namespace,
        "labels": server.data_labels,
    }


def _metadata(store: BookStore, server: Server, restore: BookStoreRestore | None) -> dict[str, Any]:
    return {
        "name": server.name,
        "namespace": store.metadata.namespace,
        "labels": server.labels,
        "ownerReferences": [_owner(store, restore)],
    }


def database_service(
    store: BookStore, server: Server, restore: BookStoreRestore | None = None
) -> Manifest:
    """Return the headless Service of the database."""
    spec = {
        "clusterIP": "None",
        "ipFamilyPolicy": "PreferDualStack",
        "selector": server.selector,
        "ports": [{"name": "postgres", "port": PORT, "targetPort": "postgres", "protocol": "TCP"}],
    }
    return {**SERVICES.type_meta, "metadata": _metadata(store, server, restore), "spec": spec}


def database_stateful_set(store: BookStore, place: Place) -> Manifest:
    """Return the StatefulSet of the one PostgreSQL server."""
    # The StatefulSet creates the volume claim, so its retention policy applies to the volume.
    kept = keeps_data(store) and place.restore is None
    server = place.server
    spec = {
        "serviceName": server.name,
        "replicas": 1,
        # Owned, because with OnDelete or a partition no change of the template reaches the Pod.
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "selector": {"matchLabels": server.set_selector},
        "persistentVolumeClaimRetentionPolicy": {
            "whenDeleted": "Retain" if kept else "Delete",
            "whenScaled": "Retain",
        },
        "template": _pod(store, place),
        "volumeClaimTemplates": [
            {
                "metadata": {"name": "data", "labels": server.data_labels},
                "spec": claim_spec(place.storage),
            }
        ],
    }
    return {
        **STATEFUL_SETS.type_meta,
        "metadata": _metadata(store, server, place.restore),
        "spec": spec,
    }


def _pod(store: BookStore, place: Place) -> Manifest:
    volumes = (
        empty_volume("run", "16Mi"),
        empty_volume("tmp", "256Mi"),
        secret_volume("password", place.server.name, {"password": "password"}),
    )
    return pod_template(
        store.spec,
        place.server.labels,
        _server(place),
        user=POSTGRES_USER,
        volumes=volumes,
        terminationGracePeriodSeconds=60,
    )


def _server(place: Place) -> Manifest:
    runs = {
        "env": [
            {"name": "POSTGRES_USER", "value": names.DATABASE_USER},
            {"name": "POSTGRES_DB", "value": names.DATABASE_NAME},
            {"name": "POSTGRES_PASSWORD_FILE", "value": f"{PASSWORD_FOLDER}/password"},
            {"name": "POSTGRES_INITDB_ARGS", "value": "--data-checksums"},
            {"name": "PGDATA", "value": f"{FOLDER}/pgdata"},
        ],
        "ports": [tcp_port("postgres", PORT)],
        # Probed over TCP: during initialization the server listens on its Unix socket only.
        # No liveness probe: a server that replays its write-ahead log must not be restarted.
        "readinessProbe": {
            "exec": {
                "command": [
                    *("pg_isready", "--quiet", "--host=localhost", f"--port={PORT}"),
                    *(f"--username={names.DATABASE_USER}", f"--dbname={names.DATABASE_NAME}"),
                ]
            },
            "periodSeconds": 2,
            "timeoutSeconds": 3,
            "failureThreshold": 3,
        },
    }
    mounts = (
        {"name": "data", "mountPath": FOLDER},
        {"name": "run", "mountPath": "/var/run/postgresql"},
        TMP_MOUNT,
        secret_mount("password", PASSWORD_FOLDER),
    )
    return container("postgres", place.image, runs, resources=place.resources, mounts=mounts)
