"""The embedded cache: one Valkey server that keeps nothing on disk, its Secret and its Service."""

from bookstore_operator.core import names
from bookstore_operator.core.kinds import DEPLOYMENTS, SECRETS, SERVICES
from bookstore_operator.core.labels import Component, labels, selector
from bookstore_operator.core.metadata import owned_object
from bookstore_operator.core.plan import GENERATED, Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.quantities import amount
from bookstore_operator.crd.spec.cache import EmbeddedCache
from bookstore_operator.workloads.pod_manifests import (
    TMP_MOUNT,
    container,
    empty_volume,
    pod_template,
    secret_mount,
    secret_volume,
    tcp_port,
)

VALKEY_USER = 999
"""The uid of the user `valkey` in the official image."""
PORT = 6379
FOLDER = "/run/secrets/valkey"
MAXMEMORY_PERCENT = 75
"""Valkey's maxmemory in percent of the memory limit: the rest is for clients and overhead."""


def cache_secret(store: BookStore) -> Manifest:
    """Return the cache's Secret without the keys that contain the password."""
    return owned_object(SECRETS, store, names.cache(store.name), Component.CACHE, type="Opaque")


def cache_secret_keys(store: BookStore) -> dict[str, str]:
    """Return the keys of the Secret: the password, the API's URI, the server's configuration."""
    host = f"{names.cache(store.name)}.{store.metadata.namespace}.svc"
    return {
        "password": GENERATED,
        "uri": f"redis://:{GENERATED}@{host}:{PORT}/0",
        "valkey.conf": f"requirepass {GENERATED}\n",
    }


def cache_service(store: BookStore) -> Manifest:
    """Return the Service of the cache."""
    spec = {
        "type": "ClusterIP",
        "ipFamilyPolicy": "PreferDualStack",
        "selector": selector(store.name, Component.CACHE),
        "ports": [{"name": "redis", "port": PORT, "targetPort": "redis", "protocol": "TCP"}],
    }
    return owned_object(SERVICES, store, names.cache(store.name), Component.CACHE, spec=spec)


def cache_deployment(store: BookStore, cache: EmbeddedCache, image: str) -> Manifest:
    """Return the Deployment of the one Valkey server.

    Not a StatefulSet: there is no data to keep, and a Deployment recovers from a lost node or an
    image that could not be pulled. Strategy Recreate, because two servers at once would each have
    half of the counters.
    """
    spec = {
        "replicas": 1,
        "paused": False,
        "selector": {"matchLabels": selector(store.name, Component.CACHE)},
        "strategy": {"type": "Recreate"},
        "progressDeadlineSeconds": 120,
        "revisionHistoryLimit": 2,
        "template": _pod(store, cache, image),
    }
    return owned_object(DEPLOYMENTS, store, names.cache(store.name), Component.CACHE, spec=spec)


def _pod(store: BookStore, cache: EmbeddedCache, image: str) -> Manifest:
    files = {key: key for key in ("password", "valkey.conf")}
    volumes = (
        empty_volume("tmp", "16Mi"),
        secret_volume("password", names.cache(store.name), files),
    )
    return pod_template(
        store.spec,
        labels(store.name, Component.CACHE),
        _server(cache, image),
        user=VALKEY_USER,
        volumes=volumes,
        terminationGracePeriodSeconds=10,
    )


def _server(cache: EmbeddedCache, image: str) -> Manifest:
    runs = {
        "command": server_command(cache),
        "ports": [tcp_port("redis", PORT)],
        "readinessProbe": {**_probe(), "periodSeconds": 5, "failureThreshold": 2},
        # The probe uses the mounted password. So it restarts a server that has an older one, after
        # its Secret was recreated, and also a server that hangs.
        "livenessProbe": {**_probe(), "periodSeconds": 10, "failureThreshold": 3},
    }
    mounts = (TMP_MOUNT, secret_mount("password", FOLDER))
    return container("valkey", image, runs, resources=cache.resources, mounts=mounts)


def server_command(cache: EmbeddedCache, folder: str = FOLDER, port: int = PORT) -> list[str]:
    """Return the server's command. The password is in a file: command lines are readable."""
    limit = amount(cache.resources.limits.memory or "0") or 0
    return [
        *("valkey-server", f"{folder}/valkey.conf"),
        *("--port", str(port), "--bind", "*", "-::*"),
        *("--save", "", "--appendonly", "no", "--dir", "/tmp"),  # noqa: S108
        *("--maxmemory", str(int(limit * MAXMEMORY_PERCENT / 100))),
        # LFU keeps keys that are used often, such as the counters of active clients. LRU would not:
        # in a flood of new clients, all keys were used within the same second.
        *("--maxmemory-policy", "allkeys-lfu"),
    ]


def probe_command(folder: str = FOLDER, port: int = PORT) -> list[str]:
    """Return the command that pings the server with the mounted password."""
    ping = f'REDISCLI_AUTH="$(cat {folder}/password)" exec valkey-cli -e -p {port} ping'
    return ["/bin/sh", "-c", ping]


def _probe() -> Manifest:
    return {"exec": {"command": probe_command()}, "timeoutSeconds": 3}
