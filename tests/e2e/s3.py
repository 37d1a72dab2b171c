"""An S3-speaking server as a Pod, for backups in e2e tests: versitygw on an empty volume."""

import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.deploy import Cluster, load_images
from demo.kubectl import Kubectl
from devcluster import binaries, run

NAME = "s3"
PORT = 7070
ACCESS_KEY = "bookstore-e2e"
BUCKET = "backups"
_IMAGE = "localhost/bookstore-e2e-s3:latest"
_DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY --chmod=755 versitygw /usr/local/bin/versitygw
"""
_LABELS = {"app": NAME}


@dataclass(frozen=True)
class S3:
    """A server in a namespace; it has one bucket, and a Secret with the keys."""

    target: dict[str, Any]
    """`spec.backup.target` of a BookStore."""


def build_and_load(cluster: Cluster) -> str:
    """Make the server's image in the cluster's engine and load it onto the nodes."""
    program = binaries.ensure(["versitygw"])["versitygw"]
    with tempfile.TemporaryDirectory(prefix="bookstore-s3-") as temporary:
        shutil.copy(program, Path(temporary) / "versitygw")
        (Path(temporary) / "Dockerfile").write_text(_DOCKERFILE)
        base = f"BASE_IMAGE={cluster.environment['BASE_IMAGE']}"
        command = ["docker", "build", "--build-arg", base, "--tag", _IMAGE, temporary]
        run.run(command, env={**cluster.environment, "DOCKER_BUILDKIT": "1"})
    load_images(cluster, [_IMAGE])
    return _IMAGE


def start(kubectl: Kubectl, image: str) -> S3:
    """Start the server in the namespace of a kubectl, and wait until it answers."""
    secret = secrets.token_urlsafe(24)
    keys = {"access-key-id": ACCESS_KEY, "secret-access-key": secret}
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": NAME},
            "stringData": keys,
        },
        _deployment(image),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME},
            "spec": {"selector": _LABELS, "ports": [{"port": PORT}]},
        },
    )
    kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=110s")
    target = {
        "bucket": BUCKET,
        "endpoint": f"http://{NAME}:{PORT}",
        "credentialsSecretName": NAME,
    }
    return S3({"s3": target})


def _deployment(image: str) -> dict[str, Any]:
    # Not every file system of a node has extended attributes, so the metadata are files, too.
    serve = f"exec versitygw --port :{PORT} --quiet posix --sidecar /data/meta /data/buckets"
    login = (
        ("ROOT_ACCESS_KEY_ID", "access-key-id"),
        ("ROOT_SECRET_ACCESS_KEY", "secret-access-key"),
    )
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", f"mkdir -p /data/meta /data/buckets/{BUCKET} && {serve}"],
        "env": [
            {"name": name, "valueFrom": {"secretKeyRef": {"name": NAME, "key": key}}}
            for name, key in login
        ],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"matchLabels": _LABELS},
            "template": {
                "metadata": {"labels": _LABELS},
                "spec": {
                    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532},
                    "containers": [container],
                    "volumes": [{"name": "data", "emptyDir": {}}],
                },
            },
        },
    }
