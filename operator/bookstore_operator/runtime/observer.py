"""Take the Snapshot that a decision is based on.

kopf's watches feed the cache, but they leave two gaps. A restarted watch does not report what was
deleted in between, and kopf does not report when the first list is complete. So the operator lists
everything itself, before the first decision and then from time to time.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from bookstore_operator.components import secrets_of_interest
from bookstore_operator.core.kinds import (
    BOOKSTORES,
    RELEASES,
    SECRETS,
    WATCHED,
    Resource,
    key_of,
    resource_of,
)
from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.secret_values import invalid_reasons
from bookstore_operator.core.secrets import UsedKeys
from bookstore_operator.core.snapshot import OperatorSettings, Rejection, Snapshot, take_snapshot
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.kube.client import Api, ApiError, ClusterError
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey
from bookstore_operator.workloads import pull_secrets
from bookstore_operator.workloads.unexplained import find_unexplained

logger = logging.getLogger(__name__)


class Observer:
    """Completes the cache by lists and takes Snapshots from it."""

    def __init__(
        self,
        api: Api,
        cache: ObjectCache,
        settings: OperatorSettings,
        namespaces: Sequence[str] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now = now
        self._api = api
        self._cache = cache
        self._settings = settings
        self._scopes: Sequence[str | None] = tuple(namespaces) or (None,)

    async def relist(self) -> set[StoreKey]:
        """List every watched kind; returns the BookStores whose objects have changed.

        Raises:
            ApiError: the API server did not answer.
            ClusterError: the CRDs are missing, or the operator may not list.

        """
        lists = [self._relist(resource, scope) for resource in WATCHED for scope in self._scopes]
        return set[StoreKey]().union(*await asyncio.gather(*lists))

    async def check_permissions(self) -> None:
        """Check that the operator may list BookStores.

        Raises:
            ApiError: the API server did not answer.
            ClusterError: the operator may no longer list them.

        """
        for scope in self._scopes:
            try:
                await self._api.first(BOOKSTORES, scope)
            except ApiError as error:
                raise _explained(BOOKSTORES, error) from error

    async def snapshot(self, key: StoreKey, rejection: Rejection | None = None) -> Snapshot | None:
        """Return the Snapshot of a BookStore; None if there is none of that name.

        Args:
            key: names the BookStore.
            rejection: the write that was rejected in its last reconciliation.

        Raises:
            ApiError: a Secret could not be read.
            ValueError: the BookStore or a release does not match this operator's model.

        """
        manifest = self._cache.bookstore(key)
        if manifest is None:
            return None
        store, objects = BookStore.model_validate(manifest), self._cache.owned(key)
        can_not_pull = pull_secrets.secrets_of_interest(objects)
        return take_snapshot(
            store,
            self._cache.releases(key),
            objects,
            secrets=await self._secrets(key.namespace, secrets_of_interest(store)),
            pull_secrets=await self._pull_secrets(key.namespace, can_not_pull),
            warnings=await self._warnings(key.namespace, find_unexplained(objects, self._now())),
            settings=self._settings,
            rejection=rejection,
        )

    async def is_current(self, key: StoreKey) -> bool:
        """Whether the BookStore and its releases in the cache are current, by live reads.

        For a step that can't be undone: an abort that the watch has not delivered yet must count.
        """
        cached = [self._cache.bookstore(key), *self._cache.releases(key)]
        stale = await asyncio.gather(
            *(self.refresh(key.namespace, key_of(obj)) for obj in cached if obj is not None)
        )
        return not any(stale)

    async def refresh(self, namespace: str, key: ObjectRef) -> bool:
        """Read one object live into the cache; True if the cache has changed."""
        resource = resource_of(key.api_version, key.kind)
        if resource is SECRETS:
            return False  # read for every Snapshot
        current = await self._api.find(resource, namespace, key.name)
        if current is not None:
            return self._cache.put(current)
        cached = self._cache.get(namespace, key)
        return cached is not None and self._cache.remove(namespace, key, cached["metadata"]["uid"])

    async def _relist(self, resource: Resource, scope: str | None) -> set[StoreKey]:
        listed: list[Manifest] = []
        version = ""
        try:
            async for items, list_version in self._api.pages(resource, scope):
                listed += items
                version = list_version
        except ApiError as error:
            raise _explained(resource, error) from error
        return self._cache.replace_kind(resource, scope, listed, version)

    async def _warnings(self, namespace: str, keys: Sequence[ObjectRef]) -> Mapping[ObjectRef, str]:
        """Return the newest Warning events of objects whose status does not explain their state."""
        try:
            messages = [await self._api.newest_warning(namespace, key) for key in keys]
        except ApiError as error:
            logger.debug("Could not read events: %s", error.message)
            return {}
        return {key: text for key, text in zip(keys, messages, strict=True) if text}

    async def _secrets(
        self, namespace: str, used: UsedKeys
    ) -> Mapping[str, Mapping[str, str | None]]:
        """Return the existing Secrets: name → key → why its value is invalid (see Snapshot)."""
        reasons: dict[str, Mapping[str, str | None]] = {}
        for name, contents in sorted(used.items()):
            secret = await self._api.find(SECRETS, namespace, name)
            if secret is not None:
                reasons[name] = invalid_reasons(secret.get("data"), contents)
        return reasons

    async def _pull_secrets(self, namespace: str, names: frozenset[str]) -> Mapping[str, str]:
        """Return the Secrets that images can't be pulled with: name → why."""
        reasons = {
            name: pull_secrets.invalid_reason(await self._api.find(SECRETS, namespace, name))
            for name in sorted(names)
        }
        return {name: reason for name, reason in reasons.items() if reason}


def _explained(resource: Resource, error: ApiError) -> Exception:
    if error.status == 404 and resource in {BOOKSTORES, RELEASES}:
        return ClusterError(
            f"The API server does not know {resource.plural}.{resource.group}: install the CRDs "
            "first (kubectl apply --server-side -f crds/)."
        )
    if error.status == 403:
        return ClusterError(
            f"The operator may not list {resource.plural}: {error.message}. "
            "Install the ClusterRole and its binding (manifests/base/rbac.yaml)."
        )
    return error
