"""The embedded database: one PostgreSQL server, its Secret and its headless Service."""

from bookstore_operator.core import names
from bookstore_operator.core.kinds import SECRETS, SERVICES, STATEFUL_SETS
from bookstore_operator.core.labels import (
    Component,
    data_labels,
    database_selector,
    labels,
    selector,
)
from bookstore_operator.core.metadata import data_metadata, keeps_data, owned_object
from bookstore_operator.core.plan import GENERATED, Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.spec.database import EmbeddedDatabase
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


def database_secret(store: BookStore) -> Manifest:
    """Return the database's Secret without the keys that contain the password.

    It is created without an owner, which `database_secret_owner` applies.
    """
    return {
        **SECRETS.type_meta,
        "metadata": data_metadata(store, names.database(store.name), Component.DATABASE, False),
        "type": "Opaque",
        "stringData": {
            "username": names.DATABASE_USER,
            "dbname": names.DATABASE_NAME,
            "host": _host(store),
            "port": str(PORT),
        },
    }


def database_secret_owner(store: BookStore) -> Manifest:
    """Return the part of the Secret that decides whether it is deleted with the BookStore."""
    return {
        **SECRETS.type_meta,
        "metadata": data_metadata(
            store, names.database(store.name), Component.DATABASE, not keeps_data(store)
        ),
    }


def database_secret_keys(store: BookStore) -> dict[str, str]:
    """Return the keys of the Secret that contain the password: `password` and `uri`."""
    user, database = names.DATABASE_USER, names.DATABASE_NAME
    return {
        "password": GENERATED,
        "uri": f"postgresql://{user}:{GENERATED}@{_host(store)}:{PORT}/{database}",
    }


def _host(store: BookStore) -> str:
    return f"{names.database(store.name)}.{store.metadata.namespace}.svc"


def database_service(store: BookStore) -> Manifest:
    """Return the headless Service of the database."""
    spec = {
        "clusterIP": "None",
        "ipFamilyPolicy": "PreferDualStack",
        "selector": selector(store.name, Component.DATABASE),
        "ports": [{"name": "postgres", "port": PORT, "targetPort": "postgres", "protocol": "TCP"}],
    }
    return owned_object(SERVICES, store, names.database(store.name), Component.DATABASE, spec=spec)


def database_stateful_set(store: BookStore, database: EmbeddedDatabase, image: str) -> Manifest:
    """Return the StatefulSet of the one PostgreSQL server."""
    # The StatefulSet creates the volume claim, so its retention policy applies to the volume.
    when_deleted = "Retain" if keeps_data(store) else "Delete"
    spec = {
        "serviceName": names.database(store.name),
        "replicas": 1,
        # Owned, because with OnDelete or a partition no change of the template reaches the Pod.
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "selector": {"matchLabels": database_selector(store.name)},
        "persistentVolumeClaimRetentionPolicy": {
            "whenDeleted": when_deleted,
            "whenScaled": "Retain",
        },
        "template": _pod(store, database, image),
        "volumeClaimTemplates": [
            {
                "metadata": {"name": "data", "labels": data_labels(store.name, Component.DATABASE)},
                "spec": claim_spec(database.storage),
            }
        ],
    }
    return owned_object(
        STATEFUL_SETS, store, names.database(store.name), Component.DATABASE, spec=spec
    )


def _pod(store: BookStore, database: EmbeddedDatabase, image: str) -> Manifest:
    volumes = (
        empty_volume("run", "16Mi"),
        empty_volume("tmp", "256Mi"),
        secret_volume("password", names.database(store.name), {"password": "password"}),
    )
    return pod_template(
        store.spec,
        labels(store.name, Component.DATABASE),
        _server(database, image),
        user=POSTGRES_USER,
        volumes=volumes,
        terminationGracePeriodSeconds=60,
    )


def _server(database: EmbeddedDatabase, image: str) -> Manifest:
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
    return container("postgres", image, runs, resources=database.resources, mounts=mounts)
