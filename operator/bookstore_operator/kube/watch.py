"""kopf as the source of events: it lists and watches, and nothing else.

The only handlers are `on.event` handlers: kopf writes no finalizers and annotations for them and
never retries them. They put the object into the cache and its BookStore into the work queue, which
has its own backoff.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NoReturn

import kopf
from kopf._cogs.clients import api as kopf_client
from kubernetes.aio.client import Configuration

from bookstore_operator.core.kinds import WATCHED, key_of, store_name_of
from bookstore_operator.kube.client import bearer_of, load_json
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
_STOP_SECONDS = 3
_REQUEST_TIMEOUT = 60
_ERROR_BACKOFFS = (1, 1, 2, 3, 5, 8, 13, 21)


class WatchEndedError(Exception):
    """The watches of a scope have ended: the operator sees no changes there any more."""


@dataclass(frozen=True, slots=True)
class Listener:
    """What happens to what the watches deliver."""

    cache: ObjectCache
    """Stores the objects."""
    enqueue: Callable[[StoreKey], None]
    """Called with a BookStore whose objects have changed."""
    on_relist: Callable[[], None]
    """Called when a watch has restarted: deletions may have been missed."""
    on_start: Callable[[], None]
    """Called when kopf has started, which replaces the process's signal handlers."""


async def watch(
    configuration: Configuration, listener: Listener, namespace: str | None
) -> NoReturn:
    """Watch a namespace, or all of them, until one of kopf's tasks ends: then all are dead.

    Args:
        configuration: where the API server is and who we are.
        listener: gets the objects.
        namespace: the namespace to watch; None for all.

    Raises:
        WatchEndedError: with the cause.

    """
    tasks = await _start(configuration, listener, namespace)
    listener.on_start()
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        raise WatchEndedError(_cause(next(iter(done))))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_STOP_SECONDS)


def _cause(task: asyncio.Task[Any]) -> str:
    error = None if task.cancelled() else task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if error else "it ended without an error"


_JSON: Any = SimpleNamespace(loads=load_json)
"""What kopf's client uses of the module `json`."""


def replace_json_parser() -> None:
    """Let kopf parse the lines of its watches as the operator's client parses answers.

    kopf has no setting for it. The parser of the standard library took a fifth of the operator's
    CPU time in a release; this one also keeps one copy of a text that many objects have.
    """
    kopf_client.json = _JSON  # type: ignore[attr-defined]


async def _start(
    configuration: Configuration, listener: Listener, namespace: str | None
) -> Collection[asyncio.Task[Any]]:
    """Start kopf's tasks."""
    # kopf's identity is this, or else the name of the user, which a uid without an entry has not.
    os.environ.setdefault("POD_ID", socket.gethostname())
    registry = kopf.OperatorRegistry()
    replace_json_parser()
    on_login(registry, configuration)
    on_event(registry, listener)
    return await kopf.spawn_tasks(
        registry=registry,
        settings=settings(),
        standalone=True,
        clusterwide=namespace is None,
        namespaces=() if namespace is None else (namespace,),
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


def on_event(registry: kopf.OperatorRegistry, listener: Listener) -> None:
    """Watch every kind in the table with the one function.

    It is the handlers' filter, and no handler ever runs: kopf calls a filter once for each event,
    and would build a state, an outcome, a logger and a context for each call of a handler.
    """

    def observe(event: kopf.RawEvent, **_: Any) -> bool:
        try:
            if event["type"] is None:
                listener.on_relist()
            manifest: dict[str, Any] = {**event["object"]}
            if ingest(listener.cache, event["type"], manifest) and (
                name := store_name_of(manifest)
            ):
                listener.enqueue(StoreKey(manifest["metadata"]["namespace"], name))
        except Exception:  # the other objects are watched on; the next list includes this one
            logger.exception("Could not process an event about %s", event["object"].get("kind"))
        return False

    for resource in WATCHED:
        name = (resource.group, resource.version, resource.plural)
        kopf.on.event(*name, registry=registry, when=observe)(_never_called)


async def _never_called(**_: Any) -> None: ...


def ingest(cache: ObjectCache, event_type: str | None, manifest: dict[str, Any]) -> bool:
    """Store the object of an event in the cache; False if the cache knows it, as own writes."""
    metadata = manifest["metadata"]
    if event_type == "DELETED":
        gone_at = version_of(manifest)
        removed = cache.remove(metadata["namespace"], key_of(manifest), metadata["uid"], gone_at)
        if removed:  # by others: the operator has read the result of what it deletes itself
            cache.keep_result(manifest)
        return removed
    return cache.put(manifest)
