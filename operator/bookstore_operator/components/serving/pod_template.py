"""The Pod template of a release."""

from collections.abc import Iterator, Mapping
from typing import Any

from bookstore_operator.components.database.servers import server_of
from bookstore_operator.core import contract, names
from bookstore_operator.core.labels import (
    COLOR_LABEL,
    DEFAULT_CONTAINER_ANNOTATION,
    REVISION_LABEL,
    Component,
    color_selector,
    labels,
)
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.release import Color
from bookstore_operator.crd.spec.cache import Cache
from bookstore_operator.crd.spec.container import EnvironmentVariable, SecretMount
from bookstore_operator.crd.spec.database import Database
from bookstore_operator.crd.spec.monitoring import Monitoring
from bookstore_operator.crd.spec.signing_keys import SigningKeys
from bookstore_operator.crd.spec.smtp import Smtp
from bookstore_operator.crd.spec.staff import Staff
from bookstore_operator.workloads.pod_manifests import (
    TMP_MOUNT,
    container,
    empty_volume,
    pod_template,
    secret_mount,
    secret_volume,
    service_account,
    tcp_port,
)


def api_pod_template(
    store: str, revision: int, color: Color, intent: Mapping[str, Any]
) -> Manifest:
    """Return the Pod template of an intent, by the contract with the image."""
    spec = BookStoreSpec.model_validate(intent)
    volumes = [
        empty_volume("tmp", "64Mi"),
        _database_volume(store, spec.database),
        _staff_volume(store, spec.staff),
        _signing_volume(store, spec.signing_keys),
        *([_redis_volume(store, spec.cache)] if spec.cache else []),
        *([_smtp_volume(spec.smtp)] if spec.smtp else []),
        *(
            {"name": name, "secret": {"secretName": mount.secret_name, "defaultMode": 0o440}}
            for name, mount in _secret_mounts(spec)
        ),
    ]
    own_labels = {COLOR_LABEL: color.value, REVISION_LABEL: str(revision)}
    config = spec.config
    template = pod_template(
        spec,
        labels(store, Component.API, **own_labels),
        _container(spec, revision, color),
        user=contract.API_USER,
        volumes=volumes,
        annotations={
            DEFAULT_CONTAINER_ANNOTATION: "api",
            **_scrape_annotations(spec.monitoring),
        },
        terminationGracePeriodSeconds=(
            config.drain_seconds + config.shutdown_seconds + contract.GRACE_SECONDS
        ),
        **service_account(spec),
        # For zones it would have no effect at all where nodes have none: see _in_other_zones.
        topologySpreadConstraints=[
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": color_selector(store, color)},
            }
        ],
    )
    affinity = _in_other_zones(template["spec"].get("affinity") or {}, store, color)
    return {**template, "spec": {**template["spec"], "affinity": affinity}}


def _in_other_zones(affinity: Manifest, store: str, color: Color) -> Manifest:
    """Return an affinity that also prefers zones without Pods of the color.

    No spread constraint: the scheduler ignores nodes that lack the key of one of a Pod's
    constraints, so without zones there would be no spreading over nodes either.
    """
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    apart = affinity.get("podAntiAffinity") or {}
    term = {
        "labelSelector": {"matchLabels": color_selector(store, color)},
        "topologyKey": "topology.kubernetes.io/zone",
    }
    terms = [*(apart.get(preferred) or ()), {"weight": 100, "podAffinityTerm": term}]
    return {**affinity, "podAntiAffinity": {**apart, preferred: terms}}


def _container(spec: BookStoreSpec, revision: int, color: Color) -> Manifest:
    environment = contract.environment(spec, revision, color)
    runs = {
        "args": [*contract.SERVE],
        "env": [
            *({"name": name, "value": value} for name, value in environment.items()),
            *map(_variable, spec.env),
        ],
        "ports": [
            tcp_port("http", contract.PUBLIC_PORT),
            tcp_port("internal", contract.INTERNAL_PORT),
        ],
        # The startup probe gives a process two minutes to start before liveness is probed.
        "startupProbe": _probe(contract.LIVENESS_PATH, periodSeconds=1, failureThreshold=120),
        "livenessProbe": _probe(
            contract.LIVENESS_PATH, periodSeconds=10, failureThreshold=3, timeoutSeconds=5
        ),
        # All Pods share the database: when it is slow for a moment, not all must leave the Service.
        "readinessProbe": _probe(
            contract.READINESS_PATH, periodSeconds=2, failureThreshold=5, timeoutSeconds=3
        ),
    }
    folders = _secret_volume_names(spec)
    mounts = [
        *(secret_mount(name, f"{contract.SECRETS_FOLDER}/{name}") for name in folders),
        *(secret_mount(name, mount.mount_path) for name, mount in _secret_mounts(spec)),
    ]
    return container(
        "api",
        spec.image,
        runs,
        resources=spec.resources,
        mounts=[TMP_MOUNT, *mounts],
        pull_policy=spec.image_pull_policy.value,
    )


def _variable(variable: EnvironmentVariable) -> Manifest:
    """Return a variable of spec.env; its value is as given: `$(X)` refers to no other variable."""
    if variable.value is not None:
        return {"name": variable.name, "value": variable.value.replace("$", "$$")}
    sources = {
        "secretKeyRef": variable.secret_key_ref,
        "configMapKeyRef": variable.config_map_key_ref,
    }
    source = {kind: reference.manifest() for kind, reference in sources.items() if reference}
    return {"name": variable.name, "valueFrom": source}


def _secret_mounts(spec: BookStoreSpec) -> Iterator[tuple[str, SecretMount]]:
    """Yield the user's mounts of Secrets, with the names of their volumes."""
    for number, mount in enumerate(spec.secret_mounts, start=1):
        yield f"{contract.OWN_SECRET_PREFIX}{number}", mount


def _secret_volume_names(spec: BookStoreSpec) -> tuple[str, ...]:
    return (
        *(contract.DATABASE_FOLDER, contract.STAFF_FOLDER, contract.SIGNING_FOLDER),
        *([contract.REDIS_FOLDER] if spec.cache else ()),
        *([contract.SMTP_FOLDER] if spec.smtp else ()),
    )


def _scrape_annotations(monitoring: Monitoring) -> dict[str, str]:
    if not monitoring.scrape_annotations:
        return {}
    values = {"scrape": "true", "port": str(contract.INTERNAL_PORT), "path": contract.METRICS_PATH}
    return {f"prometheus.io/{key}": value for key, value in values.items()}


def _probe(path: str, **numbers: int) -> Manifest:
    return {"httpGet": {"path": path, "port": "internal"}, **numbers}


def _database_volume(store: str, database: Database) -> Manifest:
    """Return the volume of the URIs; not with subPath, so a rotated password needs no release."""
    external, server = database.external, server_of(store, database)
    files = {contract.URI_FILE: external.key if external else "uri"}
    if external and external.direct_key:
        files[contract.DIRECT_URI_FILE] = external.direct_key
    secret = external.secret_name if external else server.name if server else ""
    return secret_volume(contract.DATABASE_FOLDER, secret, files)


def _staff_volume(store: str, staff: Staff) -> Manifest:
    secret = staff.secret_name or names.staff(store)
    return secret_volume(contract.STAFF_FOLDER, secret, {contract.TOKEN_FILE: staff.key})


def _signing_volume(store: str, keys: SigningKeys) -> Manifest:
    """Return the volume of the signing keys; optional, because all but signing in works without."""
    secret = keys.secret_name or names.signing_keys(store)
    return _optional(contract.SIGNING_FOLDER, secret, {contract.KEYS_FILE: keys.key})


def _redis_volume(store: str, cache: Cache) -> Manifest:
    """Return the volume of the cache's URI; optional, because the API starts without a cache."""
    external = cache.external
    secret = external.secret_name if external else names.cache(store)
    key = external.key if external else "uri"
    return _optional(contract.REDIS_FOLDER, secret, {contract.URI_FILE: key})


def _smtp_volume(smtp: Smtp) -> Manifest:
    """Return the volume of the mail server's URI; optional, because mails can wait."""
    return _optional(contract.SMTP_FOLDER, smtp.secret_name, {contract.URI_FILE: smtp.key})


def _optional(name: str, secret: str, files: Mapping[str, str]) -> Manifest:
    """Return a volume that is empty as long as there is no such Secret."""
    volume = secret_volume(name, secret, files)
    return {**volume, "secret": {**volume["secret"], "optional": True}}
