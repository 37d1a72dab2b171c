"""The Pod template of a release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bookstore_operator.core import names
from bookstore_operator.core.contract import (
    API_USER,
    GRACE_SECONDS,
    INTERNAL_PORT,
    PUBLIC_PORT,
    SECRETS_FOLDER,
)
from bookstore_operator.core.labels import (
    COLOUR_LABEL,
    REVISION_LABEL,
    Component,
    colour_selector,
    labels,
)
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.release import Colour
from bookstore_operator.crd.spec.cache import Cache
from bookstore_operator.crd.spec.config import Config
from bookstore_operator.crd.spec.database import ExternalDatabase
from bookstore_operator.crd.spec.monitoring import Monitoring
from bookstore_operator.crd.spec.staff import Staff
from bookstore_operator.workloads.pod_security import container_security, pod_security, resources_of


def pod_template(store: str, revision: int, colour: Colour, intent: Mapping[str, Any]) -> Manifest:
    """Return the Pod template that serves an intent, by the contract with the image."""
    spec = BookStoreSpec.model_validate(intent)
    told = {COLOUR_LABEL: colour.value, REVISION_LABEL: str(revision)}
    return {
        "metadata": {
            "labels": labels(store, Component.API, **told),
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
            + GRACE_SECONDS,
            "securityContext": pod_security(API_USER),
            "containers": [_container(spec, revision, colour)],
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
                    "labelSelector": {"matchLabels": colour_selector(store, colour)},
                }
                for topology in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
            ],
            **_scheduling(spec),
        },
    }


def _container(spec: BookStoreSpec, revision: int, colour: Colour) -> Manifest:
    return {
        "name": "api",
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy.value,
        "args": ["serve"],
        "env": [
            {"name": name, "value": value}
            for name, value in _environment(spec, revision, colour).items()
        ],
        "ports": [
            {"name": "http", "containerPort": PUBLIC_PORT, "protocol": "TCP"},
            {"name": "internal", "containerPort": INTERNAL_PORT, "protocol": "TCP"},
        ],
        # A slow start is not a death: the startup probe gives a process two minutes.
        "startupProbe": _probe("/livez", periodSeconds=1, failureThreshold=120),
        "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=3, timeoutSeconds=5),
        "readinessProbe": _probe("/readyz", periodSeconds=2, failureThreshold=2, timeoutSeconds=3),
        "resources": resources_of(spec.resources),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own, empty folder
            *(
                {"name": name, "mountPath": f"{SECRETS_FOLDER}/{name}", "readOnly": True}
                for name in ("database", "staff", *(["redis"] if spec.cache else []))
            ),
        ],
    }


def _scrape_annotations(monitoring: Monitoring) -> dict[str, str]:
    if not monitoring.scrape_annotations:
        return {}
    told = {"scrape": "true", "port": str(INTERNAL_PORT), "path": "/metrics"}
    return {f"prometheus.io/{key}": value for key, value in told.items()}


def _environment(spec: BookStoreSpec, revision: int, colour: Colour) -> dict[str, str]:
    return {
        "BOOKSTORE_ENVIRONMENT": spec.environment.value,
        "BOOKSTORE_HOST": "0.0.0.0",  # noqa: S104 - a Pod is reached from outside it
        "BOOKSTORE_PORT": str(PUBLIC_PORT),
        "BOOKSTORE_INTERNAL_HOST": "0.0.0.0",  # noqa: S104 - the kubelet asks from outside
        "BOOKSTORE_INTERNAL_PORT": str(INTERNAL_PORT),
        "BOOKSTORE_SECRETS_DIR": SECRETS_FOLDER,
        "BOOKSTORE_LOG_LEVEL": spec.config.log_level.value,
        "BOOKSTORE_LOG_FORMAT": "json",
        "BOOKSTORE_DRAIN_SECONDS": str(spec.config.drain_seconds),
        "BOOKSTORE_SHUTDOWN_SECONDS": str(spec.config.shutdown_seconds),
        "BOOKSTORE_DATABASE_POOL_SIZE": str(spec.config.database_pool_size),
        **_configured(spec.config),
        "BOOKSTORE_REVISION": str(revision),
        "BOOKSTORE_COLOUR": colour.value,
        "BOOKSTORE_IMAGE": spec.image,
    }


def _configured(config: Config) -> dict[str, str]:
    """Return what the BookStore sets; all else is as the image has it for the environment."""
    chosen = {
        "DOCS": config.docs,
        "CORS_ORIGINS": config.cors_origins,
        "TRUSTED_PROXIES": config.trusted_proxies,
        "RATE_LIMIT_READS": config.rate_limits.reads,
        "RATE_LIMIT_WRITES": config.rate_limits.writes,
        "MAX_BODY_BYTES": config.max_body_bytes,
        "MAX_HEADER_BYTES": config.max_header_bytes,
        "HEADER_SECONDS": config.header_seconds,
        "BODY_SECONDS": config.body_seconds,
        "CONNECTION_MAX_AGE_SECONDS": config.connection_max_age_seconds,
        "REDIS_TIMEOUT_SECONDS": _thousandths(config.redis_timeout_milliseconds),
    }
    return {
        f"BOOKSTORE_{name}": _written(value) for name, value in chosen.items() if value is not None
    }


def _written(value: bool | int | str | list[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else str(value)


def _thousandths(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else f"{milliseconds / 1000:g}"


def _probe(path: str, **numbers: int) -> Manifest:
    return {"httpGet": {"path": path, "port": "internal"}, **numbers}


def _database_volume(store: str, external: ExternalDatabase | None) -> Manifest:
    """Mount the URIs live: a rotated password arrives without a release."""
    items = [{"key": external.key if external else "uri", "path": "uri"}]
    if external and external.direct_key:
        items.append({"key": external.direct_key, "path": "direct-uri"})
    secret = external.secret_name if external else names.database(store)
    return {
        "name": "database",
        "secret": {"secretName": secret, "items": items, "defaultMode": 0o440},
    }


def _staff_volume(store: str, staff: Staff) -> Manifest:
    return _secret_volume("staff", staff.secret_name or names.staff(store), staff.key, "token")


def _redis_volume(store: str, cache: Cache) -> Manifest:
    """Mount the URI, if there is one: what the API can do without keeps no Pod from starting."""
    external = cache.external
    secret = external.secret_name if external else names.cache(store)
    volume = _secret_volume("redis", secret, external.key if external else "uri", "uri")
    volume["secret"]["optional"] = True
    return volume


def _secret_volume(name: str, secret: str, key: str, path: str) -> Manifest:
    items = [{"key": key, "path": path}]
    return {"name": name, "secret": {"secretName": secret, "items": items, "defaultMode": 0o440}}


def _scheduling(spec: BookStoreSpec) -> Manifest:
    chosen = {
        **spec.scheduling.manifest(),
        "imagePullSecrets": [secret.manifest() for secret in spec.image_pull_secrets],
    }
    return {key: value for key, value in chosen.items() if value}
