"""kopf as the source of events: it lists and watches, and nothing else.

The only handlers are `on.event` handlers: kopf writes no finalizers and annotations for them and
never retries them. They put the object into the cache and its BookStore into the work queue, which
has its own backoff.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Collection, Sequence
from typing import Any

import kopf
from kubernetes.aio.client import Configuration

from bookstore_operator.core.kinds import WATCHED, key_of, store_name_of
from bookstore_operator.kube.client import bearer_of
from bookstore_operator.kube.kopf_storage import NullDiffBaseStorage, NullProgressStorage
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey, version_of

logger = logging.getLogger(__name__)

# The server ends a watch after 4 to 5 minutes, and kopf detects a silent one after 70 s (its
# inactivity timeout). The timeout includes the retries: all of them must fit into it, or kopf
# restarts a watch that the server always rejects for ever, and the operator sees no changes. kopf
# retries a watch that can't connect for ever: the Lease and the relists fail in that case.
_SERVER_TIMEOUT = 270
_CLIENT_TIMEOUT = 300
_CONNECT_TIMEOUT = 10
_REQUEST_TIMEOUT = 60
_ERROR_BACKOFFS = (1, 1, 2, 3, 5, 8, 13, 21)


async def start_watching(
    configuration: Configuration,
    cache: ObjectCache,
    enqueue: Callable[[StoreKey], None],
    on_relist: Callable[[], None],
    namespaces: Sequence[str] = (),
) -> Collection[asyncio.Task[Any]]:
    """Start kopf's tasks. When one of them ends, the watches are dead and the process must end.

    Args:
        configuration: where the API server is and who we are.
        cache: stores the objects.
        enqueue: called with a BookStore whose objects have changed.
        on_relist: called when a watch has restarted: deletions may have been missed.
        namespaces: the namespaces to watch; all if empty.

    """
    # kopf's identity is this, or else the name of the user, which a uid without an entry has not.
    os.environ.setdefault("POD_ID", socket.gethostname())
    registry = kopf.OperatorRegistry()
    on_login(registry, configuration)
    on_event(registry, cache, enqueue, on_relist)
    return await kopf.spawn_tasks(
        registry=registry,
        settings=settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=tuple(namespaces),
    )


def settings() -> kopf.OperatorSettings:
    """Return kopf's settings: server-side selectors, timeouts, nothing written to objects."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    chosen.watching.server_timeout = _SERVER_TIMEOUT
    chosen.watching.client_timeout = _CLIENT_TIMEOUT
    chosen.watching.connect_timeout = _CONNECT_TIMEOUT
    chosen.networking.connect_timeout = _CONNECT_TIMEOUT
    chosen.networking.request_timeout = _REQUEST_TIMEOUT
    chosen.networking.error_backoffs = _ERROR_BACKOFFS
    chosen.queueing.exit_timeout = 0.1
    chosen.persistence.diffbase_storage = NullDiffBaseStorage()
    chosen.persistence.progress_storage = NullProgressStorage()
    for resource in WATCHED:
        if resource.selector is not None:
            key = (resource.group, resource.version, resource.plural)
            chosen.watching.label_selectors[key] = resource.selector
    return chosen


def on_login(registry: kopf.OperatorRegistry, configuration: Configuration) -> None:
    """Give kopf the same cluster and identity as the operator's own client, now and on each 401."""

    @kopf.on.login(registry=registry, id="login")
    async def login(**_: Any) -> kopf.ConnectionInfo:
        scheme, _separator, token = (await bearer_of(configuration) or "").partition(" ")
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            ca_data=None if configuration.ssl_ca_cert else configuration.ca_cert_data,
            insecure=not configuration.verify_ssl,
            scheme=scheme if token else None,
            token=token or scheme or None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
        )


def on_event(
    registry: kopf.OperatorRegistry,
    cache: ObjectCache,
    enqueue: Callable[[StoreKey], None],
    on_relist: Callable[[], None],
) -> None:
    """Watch every kind in the table with the one handler."""

    async def observe(event: kopf.RawEvent, **_: Any) -> None:
        manifest: dict[str, Any] = {**event["object"]}
        if event["type"] is None:
            on_relist()
        if ingest(cache, event["type"], manifest) and (name := store_name_of(manifest)):
            enqueue(StoreKey(manifest["metadata"]["namespace"], name))

    for resource in WATCHED:
        kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)(observe)


def ingest(cache: ObjectCache, event_type: str | None, manifest: dict[str, Any]) -> bool:
    """Store the object of an event in the cache; False if the cache knows it, as own writes."""
    metadata = manifest["metadata"]
    if event_type == "DELETED":
        gone_at = version_of(manifest)
        return cache.remove(metadata["namespace"], key_of(manifest), metadata["uid"], gone_at)
    return cache.put(manifest)
