"""Post Kubernetes Events: best effort, never the reason why a reconcile fails."""

import hashlib
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bookstore_operator.core.kinds import EVENTS
from bookstore_operator.core.labels import STORE_LABEL
from bookstore_operator.core.plan import FIELD_MANAGER, Event, Manifest
from bookstore_operator.crd.text import fit_bytes
from bookstore_operator.kube.client import Api, ApiError
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey

logger = logging.getLogger(__name__)

_REMEMBERED = 2000
_NAME_LENGTH = 230
"""Of an object's name in that of its event, which may have 253 characters, as a name may."""
_REPEAT_AFTER = timedelta(minutes=5)


class Recorder:
    """Posts each event once; a repeated one becomes a series, updated at most every 5 min."""

    def __init__(
        self,
        api: Api,
        cache: ObjectCache,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self._api = api
        self._may_write = may_write
        self._cache = cache
        self._now = now
        self._instance = f"{FIELD_MANAGER}-{socket.gethostname()}"[:128]
        self._seen: OrderedDict[str, tuple[int, datetime]] = OrderedDict()

    async def post(self, event: Event, key: StoreKey) -> None:
        """Post one event about the BookStore or one of its releases."""
        regarding = self._cache.get(key.namespace, event.regarding)
        if regarding is None or not self._may_write():
            return
        manifest = event_manifest(event, regarding, key, self._now(), self._instance)
        name = manifest["metadata"]["name"]
        count, posted_at = self._seen.get(name, (0, datetime.min.replace(tzinfo=UTC)))
        if abs(self._now() - posted_at) < _REPEAT_AFTER:  # the clock may have been set back
            self._remember(name, count + 1, posted_at)
            return
        self._remember(name, count + 1, self._now())
        try:
            await self._write(manifest, key.namespace, count + 1)
        except ApiError as error:
            logger.warning(
                "Could not post an Event: %s",
                error.message,
                extra={"store": str(key), "reason": event.reason},
            )

    async def _write(self, manifest: Manifest, namespace: str, count: int) -> None:
        try:
            await self._api.create(EVENTS, manifest, namespace)
        except ApiError as error:
            if error.status != 409:
                raise
            series = {"count": max(count, 2), "lastObservedTime": _micro_time(self._now())}
            name = manifest["metadata"]["name"]
            await self._api.merge(EVENTS, namespace, name, {"series": series})

    def _remember(self, name: str, count: int, posted_at: datetime) -> None:
        self._seen[name] = count, posted_at
        self._seen.move_to_end(name)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)


def event_manifest(
    event: Event, regarding: Manifest, key: StoreKey, now: datetime, instance: str
) -> Manifest:
    """Return an Event whose name is a hash of its content: a repetition is the same object."""
    uid = str(regarding["metadata"]["uid"])
    content = "\0".join((uid, event.type, event.reason, event.message))
    digest = hashlib.sha256(content.encode(errors="replace")).hexdigest()[:16]
    target = event.regarding
    return {
        **EVENTS.type_meta,
        "metadata": {
            "name": f"{target.name[:_NAME_LENGTH].rstrip('-.')}.{digest}",
            "namespace": key.namespace,
            "labels": {STORE_LABEL: key.name},
        },
        "eventTime": _micro_time(now),
        "reportingController": FIELD_MANAGER,
        "reportingInstance": instance,
        "action": event.reason,
        "reason": event.reason,
        "type": str(event.type),
        "note": fit_bytes(event.message),
        "regarding": {
            "apiVersion": target.api_version,
            "kind": target.kind,
            "namespace": key.namespace,
            "name": target.name,
            "uid": uid,
        },
    }


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
