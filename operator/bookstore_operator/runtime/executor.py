"""Execute a Plan, action by action, and store what was written in the cache."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, assert_never

from bookstore_operator.core.drift import differences, find_difference
from bookstore_operator.core.kinds import (
    RELEASES,
    SECRETS,
    key_of,
    resource_of,
    store_name_of,
    target_of,
)
from bookstore_operator.core.labels import STORE_LABEL
from bookstore_operator.core.lookup import controlled_by_another
from bookstore_operator.core.plan import (
    Action,
    Apply,
    ChangeKeySet,
    Create,
    CreateSecret,
    Delete,
    Manifest,
    ObjectRef,
    Plan,
    Scale,
    SetFinalizers,
    WriteStatus,
)
from bookstore_operator.core.snapshot import Cause, Rejection
from bookstore_operator.crd.skew import declared
from bookstore_operator.kube.client import Api, ApiError
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey
from bookstore_operator.runtime.contests import Contests
from bookstore_operator.runtime.freshness import oldest_reading, releases_of
from bookstore_operator.runtime.key_writer import (
    KeySetChangedError,
    change_key_set,
    encoded,
    fill_in,
    generated_values,
)
from bookstore_operator.runtime.observer import Observer
from bookstore_operator.runtime.ownership import (
    bookstore_of,
    gains_owner,
    intent_of,
    lost_its_label,
    name_conflict,
)
from bookstore_operator.runtime.pacing import is_report

logger = logging.getLogger(__name__)

_REJECTED = frozenset({400, 403, 405, 413, 422})


class StaleSnapshotError(Exception):
    """The cluster has changed since the Snapshot: observe and decide again."""


class RejectedError(Exception):
    """The API server rejected a write (quota, admission, validation), or failed to do it."""

    def __init__(self, rejection: Rejection, retry_after: float | None = None) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Executor:
    """Writes to the cluster. All writes of objects go through it."""

    api: Api
    cache: ObjectCache
    observer: Observer
    may_write: Callable[[], bool] = lambda: True
    """Checked before each write: a process that was frozen must not execute an old decision."""
    enqueue: Callable[[StoreKey], None] = lambda _: None
    """Called with a BookStore if an answer has a change of others, of which no event will tell."""
    contests: Contests = field(default_factory=Contests)
    on_release: Callable[[StoreKey, Manifest, Manifest], None] = lambda *_: None
    """Called with a release's status before and after each write of it."""

    async def execute(self, plan: Plan, key: StoreKey) -> int:
        """Execute all actions from top to bottom.

        Returns:
            The number of actions that changed an object.

        Raises:
            StaleSnapshotError: an object is not as it was observed; the cache is updated.
            RejectedError: the API server rejected a write, or failed to carry it out.
            ApiError: the API server failed to answer a read.

        """
        if plan.irreversible and not await self.observer.is_current(key, releases_of(plan)):
            message = f"{key} or a release of it has changed since it was observed"
            raise StaleSnapshotError(message)
        age = oldest_reading(plan)
        if age is not None and not await self.observer.secrets.are_current(key, age):
            message = f"a Secret of {key} has changed since it was observed"
            raise StaleSnapshotError(message)
        changes = 0
        unreported: RejectedError | None = None
        for action in plan.actions:
            try:
                changed = await self._execute_one(action, key)
            except RejectedError as error:
                if not is_report(action):
                    raise
                unreported = error  # nothing is decided by a BookStore's status
                continue
            changes += changed
            logger.log(
                logging.INFO if changed else logging.DEBUG,
                action.message,
                extra={"store": str(key), "reason": action.reason, "object": _target_text(action)},
            )
        if unreported:
            raise unreported
        return changes

    async def _execute_one(self, action: Action, key: StoreKey) -> bool:
        """Execute one action; True if it changed an object. Raises as `execute` does."""
        target = target_of(action)
        if not self.may_write():
            message = "another replica may be leading by now"
            raise StaleSnapshotError(message)
        cached = self.cache.get(key.namespace, target)
        if not self.contests.allow(action, key, cached):
            await self.contests.explain(action, key, self.api, cached)
            return False
        try:
            changed = await self._do(action, key)
        except ApiError as error:
            if error.status in {404, 409}:
                await self.observer.refresh(key.namespace, target)
                message = f"{target.kind} {target.name}: {error.message}"
                raise StaleSnapshotError(message) from error
            cause = Cause.REJECTED if error.status in _REJECTED else Cause.FAILED
            rejection = Rejection(target, error.reason, error.message, cause)
            raise RejectedError(rejection, error.retry_after) from error
        if changed:
            self.contests.count(action, key, cached)
        if isinstance(action, WriteStatus) and target.kind == RELEASES.kind:
            # Whether or not the watch was faster than the answer, and nothing seems changed.
            self.on_release(key, (cached or {}).get("status") or {}, action.status)
        return changed

    async def _do(self, action: Action, key: StoreKey) -> bool:
        match action:
            case Apply():
                return await self._apply(action, key)
            case Create():
                await self._read_live(action.reads, key)
                return await self._create(action.manifest, key)
            case CreateSecret() | ChangeKeySet():
                return await self._write_secret(action, key)
            case Scale():
                return await self._scale(action, key)
            case Delete():
                return await self._delete(action, key)
            case SetFinalizers() | WriteStatus():
                return await self._write_part(action, key)
            case _:
                assert_never(action)

    async def _apply(self, action: Apply, key: StoreKey) -> bool:
        manifest, target = action.manifest, key_of(action.manifest)
        await self._check(action.guards, key)
        unobserved = await self._ours_or_none(target, key)
        existing = unobserved or self.cache.get(key.namespace, target)
        if existing is not None and gains_owner(existing, manifest):
            # A deletion that orphans takes the owners away. The BookStore is read after the
            # object: with an owner that is being deleted, the object would be deleted, too.
            await self._read_live([bookstore_of(key)], key)
        if action.expected_resource_version is not None:
            metadata = {**manifest["metadata"], "resourceVersion": action.expected_resource_version}
            manifest = {**manifest, "metadata": metadata}
        applied = await self.api.apply(manifest, key.namespace)
        if applied["kind"] == SECRETS.kind:  # never in the cache
            self.observer.secrets.forget(key)
            return unobserved is None or not _same_version(unobserved, applied)
        left = frozenset(d.text for d in differences(action.manifest, applied))
        overridden = self.observer.overrides.remember(key.namespace, target, left)
        return self.cache.put(applied) or overridden

    async def _ours_or_none(self, target: ObjectRef, key: StoreKey) -> Manifest | None:
        """Return the target if it exists unobserved and is ours; None if absent or observed.

        Raises:
            RejectedError: it belongs to somebody else; a write would take it from its owner.
            StaleSnapshotError: it is ours, and the watch has not delivered it yet.

        """
        cached = self.cache.get(key.namespace, target)
        if cached is not None:
            if store_name_of(cached) != key.name or controlled_by_another(cached, key.name):
                raise RejectedError(name_conflict(cached, key))
            return None
        resource = resource_of(target.api_version, target.kind)
        existing = await self.api.find(resource, key.namespace, target.name)
        if existing is None:
            return None
        if resource is not SECRETS:
            raise await self._exists_error(existing, key)
        if lost_its_label(existing, key) or store_name_of(existing) == key.name:
            return existing  # Secrets are not watched: ours are never in the cache
        raise RejectedError(name_conflict(existing, key))

    async def _exists_error(self, existing: Manifest, key: StoreKey) -> Exception:
        """Return the error for an existing object: a stale Snapshot if ours, else a conflict.

        One that has lost its label gets it back, and nothing else before it is observed: what is
        decided about an object that seems absent may be wrong for one that exists.
        """
        target = key_of(existing)
        if lost_its_label(existing, key):
            resource = resource_of(target.api_version, target.kind)
            label = {"metadata": {"labels": {STORE_LABEL: key.name}}}
            merged = await self.api.merge(resource, key.namespace, target.name, label)
            existing = {**merged, **resource.type_meta}
        if store_name_of(existing) == key.name:
            if target.kind != SECRETS.kind:
                self.cache.put(existing)
            return StaleSnapshotError(f"{target.kind} {target.name} exists already")
        return RejectedError(name_conflict(existing, key))

    async def _check(self, guards: Iterable[ObjectRef], key: StoreKey) -> None:
        """Raise RejectedError if an object that an action depends on belongs to somebody else."""
        for guard in guards:
            await self._ours_or_none(guard, key)

    async def _read_live(self, refs: Iterable[ObjectRef], key: StoreKey) -> None:
        """Raise StaleSnapshotError if an object that a decision depends on is not as observed."""
        for ref in refs:
            if await self.observer.refresh(key.namespace, ref):
                message = f"{ref.kind} {ref.name} has changed since it was observed"
                raise StaleSnapshotError(message)

    async def _create(self, manifest: Manifest, key: StoreKey) -> bool:
        resource = resource_of(manifest["apiVersion"], manifest["kind"])
        try:
            created = await self.api.create(resource, manifest, key.namespace)
        except ApiError as error:
            if error.status != 409:
                raise
            name = manifest["metadata"]["name"]
            existing = await self.api.get(resource, key.namespace, name)
            raise await self._exists_error({**existing, **resource.type_meta}, key) from error
        if resource is not SECRETS:
            self.cache.put(created)
        return True

    async def _write_secret(self, action: CreateSecret | ChangeKeySet, key: StoreKey) -> bool:
        if isinstance(action, ChangeKeySet):
            return await self._change_key_set(action, key)
        await self._check(action.guards, key)
        self.observer.secrets.forget(key)
        generated = generated_values()
        completed = {
            name: encoded(fill_in(value, generated)) for name, value in action.keys.items()
        }
        data = {**(action.manifest.get("data") or {}), **completed}
        return await self._create({**action.manifest, "data": data}, key)

    async def _change_key_set(self, action: ChangeKeySet, key: StoreKey) -> bool:
        self.observer.secrets.forget(key)
        try:
            await change_key_set(self.api, action, key.namespace)
        except KeySetChangedError as error:
            raise StaleSnapshotError(str(error)) from error
        return True

    async def _scale(self, action: Scale, key: StoreKey) -> bool:
        await self.api.scale(key.namespace, action.deployment, action.replicas)
        # The response is a Scale. The Deployment is read by the watch, soon enough for decisions.
        return self.cache.put_scaled(key.namespace, target_of(action), action.replicas)

    async def _delete(self, action: Delete, key: StoreKey) -> bool:
        resource = resource_of(action.key.api_version, action.key.kind)
        await self._read_live(action.reads, key)
        try:
            answer = await self.api.delete(
                resource, key.namespace, action.key.name, action.uid, action.resource_version
            )
        except ApiError as error:
            if error.status != 404:
                raise
            return self.cache.remove(key.namespace, action.key, action.uid)
        if answer.get("kind") == action.key.kind:  # finalizers, or Pods that end first
            return self.cache.put(answer)
        return self.cache.remove(key.namespace, action.key, action.uid)

    async def _write_part(self, action: SetFinalizers | WriteStatus, key: StoreKey) -> bool:
        if isinstance(action, SetFinalizers):
            return await self._set_finalizers(action, key)
        return await self._write_status(action, key)

    async def _set_finalizers(self, action: SetFinalizers, key: StoreKey) -> bool:
        resource = resource_of(action.key.api_version, action.key.kind)
        # The Plan's own write of the status has changed the version that was observed.
        cached = (self.cache.get(key.namespace, action.key) or {}).get("metadata") or {}
        if tuple(cached.get("finalizers") or ()) != action.observed:
            message = f"the finalizers of {action.key.kind} {action.key.name} have changed"
            raise StaleSnapshotError(message)
        metadata = {
            "finalizers": list(action.finalizers),
            "resourceVersion": cached.get("resourceVersion"),
        }
        merged = await self.api.merge(
            resource, key.namespace, action.key.name, {"metadata": metadata}
        )
        changed = {**merged, **resource.type_meta}
        if changed["metadata"].get("deletionTimestamp") and not action.finalizers:
            return self.cache.remove(key.namespace, action.key, changed["metadata"]["uid"])
        return self.cache.put(changed)

    async def _write_status(self, action: WriteStatus, key: StoreKey) -> bool:
        manifest: dict[str, Any] = {
            **resource_of(action.key.api_version, action.key.kind).type_meta,
            "metadata": {"name": action.key.name},
            "status": declared(action.status, self.observer.installed)
            if is_report(action)
            else action.status,
        }
        cached = self.cache.get(key.namespace, action.key)
        stored = await self.api.apply(manifest, key.namespace, "status")
        if is_report(action) and find_difference(manifest["status"], stored.get("status") or {}):
            return True  # others have changed it: the event of the watch causes the next visit
        if cached is None or intent_of(stored) != intent_of(cached):
            self.enqueue(key)  # decided by an older intent, and the event about it is old news now
        return self.cache.put(stored)


def _target_text(action: Action) -> str:
    target = target_of(action)
    return f"{target.kind}/{target.name}"


def _same_version(first: Manifest, second: Manifest) -> bool:
    return bool(first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"])
