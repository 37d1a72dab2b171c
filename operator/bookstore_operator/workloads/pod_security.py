"""The security contexts and resources of every Pod and container."""

from __future__ import annotations

from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.spec.resources import Resources


def pod_security(user: int) -> Manifest:
    """Return a Pod's security context, as the `restricted` Pod Security Standard requires."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    """Return a container's security context: no privileges, and only volumes are writable."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def resources_of(resources: Resources) -> Manifest:
    """Return a container's resources."""
    return {key: value for key, value in resources.manifest().items() if value}
