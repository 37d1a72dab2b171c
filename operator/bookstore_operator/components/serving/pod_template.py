"""The Pod template of a release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bookstore_operator.core import contract, names
from bookstore_operator.core.labels import (
    COLOR_LABEL,
    REVISION_LABEL,
    Component,
    color_selector,
    labels,
)
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.release import Color
from bookstore_operator.crd.spec.cache import Cache
from bookstore_operator.crd.spec.database import ExternalDatabase
from bookstore_operator.crd.spec.monitoring import Monitoring
from bookstore_operator.crd.spec.staff import Staff
from bookstore_operator.workloads.pod_security import container_security, pod_security, resources_of


def pod_template(store: str, revision: int, color: Color, intent: Mapping[str, Any]) -> Manifest:
    """Return the Pod template of an intent, by the contract with the image."""
    spec = BookStoreSpec.model_validate(intent)
    own_labels = {COLOR_LABEL: color.value, REVISION_LABEL: str(revision)}
    return {
        "metadata": {
            "labels": labels(store, Component.API, **own_labels),
            "annotations": {
                "kubectl.kubernetes.io/default-container": "api",
                **_scrape_annotations(spec.monitoring),
            },
        },
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": spec.config.drain_seconds
            + spec.config.shutdown_seconds
            + contract.GRACE_SECONDS,
            "securityContext": pod_security(contract.API_USER),
            "containers": [_container(spec, revision, color)],
            "volumes": [
                {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
                _database_volume(store, spec.database.external),
                _staff_volume(store, spec.staff),
                *([_redis_volume(store, spec.cache)] if spec.cache else []),
            ],
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": topology,
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": color_selector(store, color)},
                }
                for topology in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
            ],
            **_scheduling(spec),
        },
    }


def _container(spec: BookStoreSpec, revision: int, color: Color) -> Manifest:
    return {
        "name": "api",
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy.value,
        "args": [*contract.SERVE],
        "env": [
            {"name": name, "value": value}
            for name, value in contract.environment(spec, revision, color).items()
        ],
        "ports": [
            {"name": "http", "containerPort": contract.PUBLIC_PORT, "protocol": "TCP"},
            {"name": "internal", "containerPort": contract.INTERNAL_PORT, "protocol": "TCP"},
        ],
        # The startup probe gives a process two minutes to start before liveness is probed.
        "startupProbe": _probe(contract.LIVENESS_PATH, periodSeconds=1, failureThreshold=120),
        "livenessProbe": _probe(
            contract.LIVENESS_PATH, periodSeconds=10, failureThreshold=3, timeoutSeconds=5
        ),
        "readinessProbe": _probe(
            contract.READINESS_PATH, periodSeconds=2, failureThreshold=2, timeoutSeconds=3
        ),
        "resources": resources_of(spec.resources),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own, empty folder
            *(
                {"name": name, "mountPath": f"{contract.SECRETS_FOLDER}/{name}", "readOnly": True}
                for name in _secret_volume_names(spec)
            ),
        ],
    }


def _secret_volume_names(spec: BookStoreSpec) -> tuple[str, ...]:
    always = (contract.DATABASE_FOLDER, contract.STAFF_FOLDER)
    return (*always, contract.REDIS_FOLDER) if spec.cache else always


def _scrape_annotations(monitoring: Monitoring) -> dict[str, str]:
    if not monitoring.scrape_annotations:
        return {}
    values = {"scrape": "true", "port": str(contract.INTERNAL_PORT), "path": contract.METRICS_PATH}
    return {f"prometheus.io/{key}": value for key, value in values.items()}


def _probe(path: str, **numbers: int) -> Manifest:
    return {"httpGet": {"path": path, "port": "internal"}, **numbers}


def _database_volume(store: str, external: ExternalDatabase | None) -> Manifest:
    """Return the volume of the URIs; not with subPath, so a rotated password needs no release."""
    items = [{"key": external.key if external else "uri", "path": contract.URI_FILE}]
    if external and external.direct_key:
        items.append({"key": external.direct_key, "path": contract.DIRECT_URI_FILE})
    secret = external.secret_name if external else names.database(store)
    return {
        "name": contract.DATABASE_FOLDER,
        "secret": {"secretName": secret, "items": items, "defaultMode": 0o440},
    }


def _staff_volume(store: str, staff: Staff) -> Manifest:
    secret = staff.secret_name or names.staff(store)
    return _secret_volume(contract.STAFF_FOLDER, secret, staff.key, contract.TOKEN_FILE)


def _redis_volume(store: str, cache: Cache) -> Manifest:
    """Return the volume of the cache's URI; optional, because the API starts without a cache."""
    external = cache.external
    secret = external.secret_name if external else names.cache(store)
    key = external.key if external else "uri"
    volume = _secret_volume(contract.REDIS_FOLDER, secret, key, contract.URI_FILE)
    volume["secret"]["optional"] = True
    return volume


def _secret_volume(name: str, secret: str, key: str, path: str) -> Manifest:
    items = [{"key": key, "path": path}]
    return {"name": name, "secret": {"secretName": secret, "items": items, "defaultMode": 0o440}}


def _scheduling(spec: BookStoreSpec) -> Manifest:
    fields = {
        **spec.scheduling.manifest(),
        "imagePullSecrets": [secret.manifest() for secret in spec.image_pull_secrets],
    }
    return {key: value for key, value in fields.items() if value}
