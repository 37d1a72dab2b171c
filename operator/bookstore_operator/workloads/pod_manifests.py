"""The parts that the Pods of all components have in common, as the restricted standard wants them.

A component says what is different about its Pod: see components/cache/manifests.py. What the spec
says about all Pods (scheduling, pull Secrets, labels, annotations) gets into them in pod_template,
and nowhere else.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.spec.resources import Resources
from bookstore_operator.crd.spec.storage import Storage


def pod_template(  # noqa: PLR0913 - what Pods differ in
    spec: BookStoreSpec,
    labels: Mapping[str, str],
    container: Manifest,
    *,
    user: int,
    volumes: Sequence[Manifest],
    annotations: Mapping[str, str] | None = None,
    **fields: Any,
) -> Manifest:
    """Return the template of a Pod that meets the `restricted` Pod Security Standard.

    Args:
        spec: the BookStore's, or the intent of a release.
        labels: the operator's labels, which take precedence over `spec.podMetadata`.
        container: its only container.
        user: the uid and gid of its processes, which owns the files of its volumes.
        volumes: its volumes.
        annotations: the operator's annotations, which take precedence too.
        fields: further fields of its spec.

    """
    own = {**spec.pod_metadata.annotations, **(annotations or {})}
    return {
        "metadata": {
            "labels": {**spec.pod_metadata.labels, **labels},
            **({"annotations": own} if own else {}),
        },
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **fields,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": user,
                "runAsGroup": user,
                "fsGroup": user,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": list(volumes),
            **_placement(spec),
        },
    }


def _placement(spec: BookStoreSpec) -> Manifest:
    """Return where the spec lets Pods run, and what their images are pulled with."""
    fields = {
        **spec.scheduling.manifest(),
        "imagePullSecrets": [secret.manifest() for secret in spec.image_pull_secrets],
    }
    return {key: value for key, value in fields.items() if value}


def service_account(spec: BookStoreSpec) -> Manifest:
    """Return the fields of a Pod that may use the cloud's services as the spec's ServiceAccount.

    Both fields are applied: the API server copies one into the other, and what only it had set
    would bring the old name back when the field is removed from the spec.
    """
    name = spec.service_account_name
    return {"serviceAccountName": name, "serviceAccount": name} if name else {}


def container(  # noqa: PLR0913 - what containers differ in
    name: str,
    image: str,
    runs: Manifest,
    *,
    resources: Resources,
    mounts: Iterable[Manifest],
    pull_policy: str = "IfNotPresent",
) -> Manifest:
    """Return a container without privileges, in which only volumes are writable.

    Args:
        name: its name.
        image: its image.
        runs: what it runs: command, arguments, environment, ports, probes.
        resources: its CPU and memory.
        mounts: its volume mounts.
        pull_policy: when the image is pulled.

    """
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": pull_policy,
        **runs,
        "resources": resource_manifest(resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": list(mounts),
    }


def resource_manifest(resources: Resources) -> Manifest:
    """Return the resources of a container."""
    return {key: value for key, value in resources.manifest().items() if value}


TMP_MOUNT: Manifest = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - the container's own
"""Where the volume `tmp` is mounted, which is empty when the Pod starts."""


def secret_mount(name: str, path: str) -> Manifest:
    """Return the mount of a volume of a Secret."""
    return {"name": name, "mountPath": path, "readOnly": True}


def empty_volume(name: str, size: str) -> Manifest:
    """Return a volume that is empty when the Pod starts."""
    return {"name": name, "emptyDir": {"sizeLimit": size}}


def secret_volume(name: str, secret: str, files: Mapping[str, str]) -> Manifest:
    """Return a volume with keys of a Secret: file → key. The Pod's group may read them."""
    items = [{"key": key, "path": path} for path, key in files.items()]
    return {"name": name, "secret": {"secretName": secret, "items": items, "defaultMode": 0o440}}


def whole_secret_volume(name: str, secret: str) -> Manifest:
    """Return a volume with all keys of a Secret as files. The Pod's group may read them."""
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}}


def claim_spec(storage: Storage) -> Manifest:
    """Return the spec of a volume claim."""
    storage_class = storage.storage_class_name
    return {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
        **({"storageClassName": storage_class} if storage_class else {}),
    }


def tcp_port(name: str, port: int) -> Manifest:
    """Return a container's port."""
    return {"name": name, "containerPort": port, "protocol": "TCP"}
