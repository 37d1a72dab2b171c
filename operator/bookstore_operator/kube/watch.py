"""kopf as the source of events: it lists and watches; all else is the operator's own.

Only `on.event` handlers: they write nothing to the objects, no finalizers and no annotations, and
kopf never retries them. So all that they do is to put the object into the cache and its BookStore
into the queue, which has a backoff of its own.
"""

from __future__ import annotations

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
from bookstore_operator.kube.kopf_storage import NoDiffs, NoProgress
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey, version_of

logger = logging.getLogger(__name__)

# A watch is asked to end every 4 to 5 minutes, and a silent one is noticed after 70 s (kopf's
# inactivity timeout). That counts the retries too: all of them must fit in, or a watch that is
# refused for ever would be begun anew for ever, and the operator stay blind. One that can't connect
# at all never gives up: the Lease and the lists tell of that.
_SERVER_TIMEOUT = 270
_CLIENT_TIMEOUT = 300
_CONNECT_TIMEOUT = 10
_REQUEST_TIMEOUT = 60
_ERROR_BACKOFFS = (1, 1, 2, 3, 5, 8, 13, 21)


async def start_watching(
    configuration: Configuration,
    cache: ObjectCache,
    happened: Callable[[StoreKey], None],
    listed_again: Callable[[], None],
    namespaces: Sequence[str] = (),
) -> Collection[asyncio.Task[Any]]:
    """Start kopf's tasks. When one of them ends, the watches are dead and the process must end.

    Args:
        configuration: where the API server is and who we are.
        cache: what is told goes here.
        happened: called with a BookStore for which there is something new.
        listed_again: called when a watch had to start anew: deletions may have been missed.
        namespaces: only these; all if empty.

    """
    # kopf names itself by this, or by looking up a user name, which a bare user number has not.
    os.environ.setdefault("POD_ID", socket.gethostname())
    registry = kopf.OperatorRegistry()
    on_login(registry, configuration)
    on_event(registry, cache, happened, listed_again)
    return await kopf.spawn_tasks(
        registry=registry,
        settings=settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=tuple(namespaces),
    )


def settings() -> kopf.OperatorSettings:
    """Set kopf up: server-side selectors, bounded waits, nothing written."""
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
    chosen.persistence.diffbase_storage = NoDiffs()
    chosen.persistence.progress_storage = NoProgress()
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
    happened: Callable[[StoreKey], None],
    listed_again: Callable[[], None],
) -> None:
    """Watch every kind in the table with the one handler."""

    async def observe(event: kopf.RawEvent, **_: Any) -> None:
        manifest: dict[str, Any] = {**event["object"]}
        if event["type"] is None:
            listed_again()
        if take_in(cache, event["type"], manifest) and (name := store_name_of(manifest)):
            happened(StoreKey(manifest["metadata"]["namespace"], name))

    for resource in WATCHED:
        kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)(observe)


def take_in(cache: ObjectCache, event_type: str | None, manifest: dict[str, Any]) -> bool:
    """Put what an event tells into the cache; False if it is not news, as with our own writes."""
    metadata = manifest["metadata"]
    if event_type == "DELETED":
        gone_at = version_of(manifest)
        return cache.remove(metadata["namespace"], key_of(manifest), metadata["uid"], gone_at)
    return cache.put(manifest)
