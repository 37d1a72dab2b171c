"""Pods that run bookstore-backup: where backups are, which database, which keys.

Each part of its work is options, and the volumes and mounts that they name. No secret is on a
command line or in the environment: all are files, which the tool reads again while it runs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bookstore_operator.components.database.manifests import POSTGRES_USER
from bookstore_operator.components.database.servers import Server, server_of
from bookstore_operator.core import names
from bookstore_operator.core.labels import MAIN_CONTAINERS, Component, labels
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.spec.backup import Backup
from bookstore_operator.crd.spec.backup_target import Encryption, S3Target
from bookstore_operator.crd.spec.database import Database
from bookstore_operator.crd.spec.resources import Resources
from bookstore_operator.workloads.pod_manifests import (
    TMP_MOUNT,
    container,
    empty_volume,
    pod_template,
    secret_mount,
    secret_volume,
    service_account,
    whole_secret_volume,
)

PROGRAM = "bookstore-backup"
TOOL_USER = POSTGRES_USER
"""The uid of the tool's image: PostgreSQL's own, to which dumps of older operators belong."""
TARGET_FOLDER = "/backup"
URI_FOLDER = "/run/secrets/database"
_CREDENTIALS_FOLDER = "/run/secrets/bucket"
_CA_FOLDER = "/run/secrets/bucket-ca"
_RECIPIENTS_FOLDER = "/run/secrets/recipients"
_IDENTITIES_FOLDER = "/run/secrets/identities"
TERMINATION_LOG = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class Input:
    """Options of the tool, and what they name in its Pod."""

    options: tuple[str, ...] = ()
    volumes: tuple[Manifest, ...] = ()
    mounts: tuple[Manifest, ...] = ()


def store_option(namespace: str, store: str) -> Input:
    """Return whose backups it is about."""
    return Input((f"--store={namespace}.{store}",))


def target_of(store: BookStore, backup: Backup) -> Input:
    """Return the target of a BookStore's backups."""
    if backup.target and backup.target.s3:
        return in_bucket(backup.target.s3)
    return on_claim(names.backup(store.name))


def on_claim(claim: str, *, read_only: bool = False) -> Input:
    """Return a volume as the target."""
    mount: Manifest = {"name": "backup", "mountPath": TARGET_FOLDER}
    source: Manifest = {"claimName": claim}
    if read_only:
        mount, source = {**mount, "readOnly": True}, {**source, "readOnly": True}
    volume = {"name": "backup", "persistentVolumeClaim": source}
    return Input((f"--target=file://{TARGET_FOLDER}",), (volume,), (mount,))


def in_bucket(s3: S3Target) -> Input:
    """Return a bucket as the target, with its credentials and its CA as files."""
    options = [f"--target=s3://{s3.bucket}/{s3.prefix}", f"--s3-region={s3.region}"]
    options += [f"--s3-endpoint={s3.endpoint}"] if s3.endpoint else []
    options += ["--s3-virtual-host"] if s3.virtual_host else []
    options += ["--s3-checksum=sha256"] if s3.sha256 else []
    volumes, mounts = [], []
    if s3.credentials_secret_name:
        options += [f"--s3-credentials={_CREDENTIALS_FOLDER}"]
        # Whole, because a session token is only there with temporary credentials.
        volumes += [whole_secret_volume("bucket", s3.credentials_secret_name)]
        mounts += [secret_mount("bucket", _CREDENTIALS_FOLDER)]
    if s3.ca_secret_name:
        options += [f"--ca-bundle={_CA_FOLDER}/ca.crt"]
        volumes += [secret_volume("bucket-ca", s3.ca_secret_name, {"ca.crt": "ca.crt"})]
        mounts += [secret_mount("bucket-ca", _CA_FOLDER)]
    return Input(tuple(options), tuple(volumes), tuple(mounts))


def database_of(store: str, database: Database) -> Input:
    """Return the URI of a database that a spec names, past a pooler if there is such a URI."""
    if external := database.external:
        return database_in(external.secret_name, external.direct_key or external.key)
    server = server_of(store, database) or Server(store)
    return database_in(server.name, "uri")


def database_in(secret: str, key: str) -> Input:
    """Return the URI in a key of a Secret as the database."""
    return Input(
        (f"--uri-file={URI_FOLDER}/uri",),
        (secret_volume("database", secret, {"uri": key}),),
        (secret_mount("database", URI_FOLDER),),
    )


def recipients_of(encryption: Encryption | None) -> Input:
    """Return the public keys to encrypt to: who takes backups needs no private key."""
    if encryption is None:
        return Input()
    files = {"recipients": "recipients"}
    return Input(
        (f"--recipients-file={_RECIPIENTS_FOLDER}/recipients",),
        (secret_volume("recipients", encryption.secret_name, files),),
        (secret_mount("recipients", _RECIPIENTS_FOLDER),),
    )


def identities_of(encryption: Encryption | None) -> Input:
    """Return the private keys, which open backups."""
    if encryption is None:
        return Input()
    files = {"identities": "identities"}
    return Input(
        (f"--identities-file={_IDENTITIES_FOLDER}/identities",),
        (secret_volume("identities", encryption.secret_name, files),),
        (secret_mount("identities", _IDENTITIES_FOLDER),),
    )


def tool_pod(  # noqa: PLR0913 - what the tool's Pods differ in
    store: BookStore,
    image: str,
    command: Iterable[str],
    inputs: Iterable[Input],
    *,
    component: Component,
    resources: Resources,
    more: Mapping[str, Any] | None = None,
) -> Manifest:
    """Return the template of a Pod that runs a command of the tool.

    Args:
        store: the BookStore.
        image: the image of the tool.
        command: the command and its own options.
        inputs: what it works with.
        component: whose labels the Pod gets.
        resources: its CPU and memory.
        more: further fields of the Pod's spec.

    """
    given = tuple(inputs)
    return pod_template(
        store.spec,
        labels(store.name, component),
        tool_container(MAIN_CONTAINERS[component], image, command, given, resources),
        user=TOOL_USER,
        volumes=tool_volumes(given),
        restartPolicy="Never",
        **service_account(store.spec),
        **(more or {}),
    )


def tool_container(
    name: str,
    image: str,
    command: Iterable[str],
    inputs: Iterable[Input],
    resources: Resources,
) -> Manifest:
    """Return the container that runs a command of the tool."""
    given = tuple(inputs)
    runs = {
        "command": [PROGRAM],
        "args": [*command, *(option for one in given for option in one.options)],
        "env": [{"name": "BOOKSTORE_TERMINATION_LOG", "value": TERMINATION_LOG}],
    }
    mounts = [*(mount for one in given for mount in one.mounts), TMP_MOUNT]
    return container(name, image, runs, resources=resources, mounts=mounts)


def tool_volumes(inputs: Iterable[Input]) -> list[Manifest]:
    """Return the volumes of a Pod with such a container."""
    return [*(volume for one in inputs for volume in one.volumes), empty_volume("tmp", "64Mi")]
