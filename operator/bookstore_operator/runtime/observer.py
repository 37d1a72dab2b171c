"""Take the Snapshot that a decision is based on.

kopf's watches feed the cache, but they leave two gaps. A restarted watch does not report what was
deleted in between, and kopf does not report when the first list is complete. So the operator lists
everything itself, before the first decision and then from time to time.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from bookstore_operator.core.measurements import NONE, Measurement
from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secrets import Secrets
from bookstore_operator.core.snapshot import (
    Blocker,
    Contest,
    OperatorSettings,
    Rejection,
    Snapshot,
    take_snapshot,
)
from bookstore_operator.crd.base import API_VERSION
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.skew import narrower_spec, outdated_message
from bookstore_operator.crd.structural import Schema
from bookstore_operator.kube.client import (
    Api,
    ApiError,
    ForbiddenError,
    UnavailableError,
    UnknownKindError,
)
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey
from bookstore_operator.runtime.hosts import find_host_holder
from bookstore_operator.runtime.mutators import Mutators
from bookstore_operator.runtime.overrides import Overrides
from bookstore_operator.runtime.rights import describe, find_missing
from bookstore_operator.runtime.scopes import Scopes
from bookstore_operator.runtime.scrape import Measurer
from bookstore_operator.runtime.secret_reader import SecretReader
from bookstore_operator.workloads import pull_secrets
from bookstore_operator.workloads.unexplained import find_unexplained

logger = logging.getLogger(__name__)

_LISTS_AT_ONCE = 3
"""A page of a list takes some 20 MB of memory until it is in the cache, without what it drops."""
_HOME = "default"
"""The namespace in which rights in all namespaces are asked for: every cluster has it."""


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
        self.overrides = Overrides()
        self._mutators = Mutators(api)
        self._api = api
        self._cache = cache
        self.secrets = SecretReader(api)
        self._lists = asyncio.Semaphore(_LISTS_AT_ONCE)
        self._changed: set[StoreKey] = set()
        """The BookStores of which lists have had news, also lists that have failed half-way."""
        self._settings = settings
        self._outdated = ""
        self._narrower = ""
        self.installed: Mapping[str, Schema] = {}
        """The schemas of the installed CRDs by kind; empty until they were read."""
        self.scopes = Scopes(namespaces, cache.drop_namespace)
        self.measurer: Measurer | None = None
        """Measures what Plans ask for; None: nothing is measured."""

    async def relist(self) -> set[StoreKey]:
        """List every watched kind; returns the BookStores whose objects have changed.

        Raises:
            ApiError: the API server did not answer.
            UnavailableError: from the beginning, the CRDs are missing, or it may not list.

        """
        await asyncio.gather(*(self.relist_scope(scope) for scope in self.scopes.names))
        changed, self._changed = self._changed, set()
        return changed

    async def relist_scope(self, scope: str | None) -> None:
        """List every watched kind in a namespace, as `relist` does; none if it is unavailable."""
        try:
            await asyncio.gather(*(self._relist(kind, scope) for kind in WATCHED))
        except UnavailableError as error:
            self._lose(scope, error)
            return
        self.scopes.regain(scope)

    async def check_crds(self) -> bool:
        """Compare the installed CRDs with this operator's; True if the outcome is a new one.

        Raises:
            ApiError: the API server did not answer.

        """
        self.installed = await self._api.schemas(API_VERSION)
        before, self._outdated = self._outdated, outdated_message(self.installed)
        if self._outdated and self._outdated != before:
            logger.error("%s", self._outdated)
        if before and not self._outdated:
            logger.info("The installed CRDs can hold all that this operator writes.")
        narrower, self._narrower = self._narrower, narrower_spec(self.installed)
        if self._narrower and self._narrower != narrower:
            logger.warning("%s", self._narrower)
        return self._outdated != before

    async def check_permissions(self) -> bool:
        """Check which rights the operator has; True if the outcome is a new one.

        Raises:
            ApiError: the API server did not answer.

        """
        before = dict(self.scopes.unavailable)
        changed = [await self._check_rights(scope) for scope in self.scopes.names]
        for scope in self.scopes.names:
            await self.may_watch(scope)
        return any(changed) or before != self.scopes.unavailable

    async def _check_rights(self, scope: str | None) -> bool:
        return self.scopes.record_missing(scope, await find_missing(self._api, scope, _HOME))

    async def may_watch(self, scope: str | None) -> bool:
        """Whether the operator can list and watch all kinds in a namespace. Raises as above."""
        await self._check_rights(scope)
        if missing := self.scopes.lacks_watching(scope):
            self.scopes.lose(scope, ForbiddenError(describe(missing)))
            return False
        for kind in (BOOKSTORES, RELEASES):
            try:
                await self._api.first(kind, scope)
            except ApiError as error:
                explained = _explained(kind, error)
                if not isinstance(explained, UnavailableError):
                    raise explained from error
                self._lose(scope, explained)
                return False
        return True

    def _lose(self, scope: str | None, error: UnavailableError) -> None:
        """Record that a namespace is unavailable. With the CRD, all BookStores were deleted."""
        self.scopes.lose(scope, error)
        if isinstance(error, UnknownKindError):
            for key in self._cache.stores():
                if scope in {None, key.namespace} and error.kind == BOOKSTORES.kind:
                    self._cache.forget(key.namespace, BOOKSTORES.ref(key.name))

    def bookstore(self, key: StoreKey) -> Manifest | None:
        """Return a BookStore as it is; None if there is none of that name."""
        return self._cache.bookstore(key)

    async def snapshot(
        self,
        key: StoreKey,
        rejection: Rejection | None = None,
        contests: tuple[Contest, ...] = (),
    ) -> Snapshot | None:
        """Return the Snapshot of a BookStore; None if there is none of that name.

        Args:
            key: names the BookStore.
            rejection: the write that was rejected in its last reconciliation.
            contests: the objects that others change again and again.

        Raises:
            ApiError: a Secret could not be read, though the operator may.
            pydantic.ValidationError: the BookStore does not match this operator's model.

        """
        manifest = self._cache.bookstore(key)
        if manifest is None:
            self.secrets.forget(key)
            return None
        store, objects = BookStore.model_validate(manifest), self._cache.owned(key)
        can_not_pull = pull_secrets.secrets_of_interest(objects)
        secrets, blocker = await self._readable_secrets(key, store)
        overridden = self.overrides.of(key.namespace, objects)
        return take_snapshot(
            store,
            self._cache.records(key),
            objects,
            secrets=secrets.reasons,
            databases=secrets.databases,
            secret_owners=secrets.owners,
            key_sets=secrets.key_sets,
            pull_secrets=await self._pull_secrets(key.namespace, can_not_pull),
            warnings=await self._warnings(key.namespace, find_unexplained(objects, self._now())),
            overridden=overridden,
            mutators=await self._mutators.of(key.namespace, objects, overridden),
            settings=self._settings,
            rejection=rejection,
            contests=contests,
            host_taken_by=find_host_holder(self._cache, key, manifest),
            blocker=blocker,
            missing_rights=self.scopes.missing_writes(key.namespace),
            measurements=self.measurer.results(key) if self.measurer else NONE,
        )

    def measure(self, key: StoreKey, wanted: Iterable[Measurement]) -> None:
        """Measure this for a BookStore's next Snapshots, and nothing else."""
        if self.measurer:
            self.measurer.request(key, wanted)

    async def is_current(self, key: StoreKey, written: frozenset[str] = frozenset()) -> bool:
        """Whether the BookStore and its releases in the cache are current, by live reads.

        For a step that can't be undone: an abort that the watch has not delivered yet must count.
        Releases that have ended and are not in use are not read, except for those to be `written`.
        """
        releases = [obj for obj in self._cache.records(key) if obj["kind"] == RELEASES.kind]
        newest = max((_order_of(release) for release in releases), default=None)
        in_use = (
            release
            for release in releases
            if _order_of(release) == newest
            or _may_serve(release)
            or release["metadata"]["name"] in written
        )
        cached = [self._cache.bookstore(key), *in_use]
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

    async def _relist(self, resource: Resource, scope: str | None) -> None:
        present: set[str] = set()
        version = ""
        try:
            async with self._lists:
                async for items, list_version in self._api.pages(resource, scope):
                    self._changed |= self._cache.put_listed(resource, items, present)
                    version = list_version
        except ApiError as error:
            raise _explained(resource, error) from error
        self._changed |= self._cache.remove_absent(resource, scope, present, version)

    async def _warnings(self, namespace: str, keys: Sequence[ObjectRef]) -> Mapping[ObjectRef, str]:
        """Return the newest Warning events of objects whose status does not explain their state."""
        try:
            messages = [await self._api.newest_warning(namespace, key) for key in keys]
        except ApiError as error:
            logger.debug("Could not read events: %s", error.message)
            return {}
        return {key: text for key, text in zip(keys, messages, strict=True) if text}

    async def _readable_secrets(
        self, key: StoreKey, store: BookStore
    ) -> tuple[Secrets, Blocker | None]:
        """Return the BookStore's Secrets, and why no release may take a step; None if it may."""
        outdated = Blocker(Reason.CRD_OUTDATED, self._outdated) if self._outdated else None
        blocker = self.scopes.blocker(key.namespace) or outdated
        used = secrets_of_interest(store, self._cache.records(key))
        try:
            return await self.secrets.read(key, used), blocker
        except ApiError as error:
            if error.status != 403:
                raise
            message = (
                f"The operator may not read the Secrets of this BookStore: {error.message}. Give "
                "it that right again (manifests/base/rbac.yaml). Until then no release takes a "
                "step, and what depends on a Secret is not repaired."
            )
            return Secrets(), Blocker(Reason.SECRET_FORBIDDEN, message, hides_secrets=True)

    async def _pull_secrets(self, namespace: str, names: frozenset[str]) -> Mapping[str, str]:
        """Return the Secrets that images can't be pulled with: name → why."""
        try:
            found = {name: await self._api.find(SECRETS, namespace, name) for name in sorted(names)}
        except ApiError as error:
            if error.status != 403:
                raise
            return {}
        return pull_secrets.invalid_reasons(found)


def _order_of(release: Manifest) -> tuple[int, int]:
    """Return a release's revision and attempt, whoever wrote it."""
    spec = release.get("spec") or {}
    return int(spec.get("revision") or 0), int(spec.get("attempt") or 0)


def _may_serve(release: Manifest) -> bool:
    """Whether a release has been promoted, and its color not been given up."""
    status = release.get("status") or {}
    return bool(status.get("promotedAt")) and not status.get("demotedAt")


def _explained(resource: Resource, error: ApiError) -> Exception:
    if error.status == 404 and resource in {BOOKSTORES, RELEASES}:
        return UnknownKindError(
            f"The API server does not know {resource.plural}.{resource.group}: install the CRDs "
            "first (kubectl apply --server-side -f crds/).",
            resource.kind,
        )
    if error.status == 403:
        return ForbiddenError(
            f"The operator may not list {resource.plural}: {error.message}. "
            "Give it that right again: the ClusterRole and its binding (manifests/base/rbac.yaml)."
        )
    return error
