"""Carry a Plan out, action by action, and keep the cache abreast of what was written."""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, assert_never

from bookstore_operator.core.kinds import (
    BOOKSTORES,
    CLAIMS,
    DEPLOYMENTS,
    SECRETS,
    key_of,
    resource_of,
    store_name_of,
)
from bookstore_operator.core.labels import STORE_LABEL
from bookstore_operator.core.lookup import controlled_by_another
from bookstore_operator.core.plan import (
    GENERATED,
    Action,
    Apply,
    Create,
    CreateSecret,
    Delete,
    Manifest,
    ObjectRef,
    Plan,
    Scale,
    WriteStatus,
)
from bookstore_operator.core.snapshot import Rejection
from bookstore_operator.kube.client import FIELD_MANAGER, Api, ApiError
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey
from bookstore_operator.runtime.observer import Observer

logger = logging.getLogger(__name__)

_RANDOM_BYTES = 32
_REJECTED = frozenset({400, 403, 405, 413, 422})


class StaleSnapshotError(Exception):
    """The cluster is not what the Snapshot showed: look again, decide again."""


class RejectedError(Exception):
    """The API server understood the write and will not have it: quota, admission, validation."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


@dataclass(frozen=True, slots=True)
class Executor:
    """Writes to the cluster. Nothing else does."""

    api: Api
    cache: ObjectCache
    observer: Observer
    may_write: Callable[[], bool] = lambda: True
    """Asked before each write: what was decided before a long sleep is not carried out after it."""

    async def execute(self, plan: Plan, key: StoreKey) -> int:
        """Carry out all actions from top to bottom.

        Returns:
            How many of them changed something.

        Raises:
            StaleSnapshotError: an object is not as it was observed; the cache knows better now.
            RejectedError: the API server refused an action for good.
            ApiError: the API server could not do it now.

        """
        if plan.irreversible and not await self.observer.is_current(key):
            message = f"{key} or a release of it has changed since it was observed"
            raise StaleSnapshotError(message)
        changes = 0
        for action in plan.actions:
            changed = await self._execute_one(action, key)
            changes += changed
            logger.log(
                logging.INFO if changed else logging.DEBUG,
                action.message,
                extra={"store": str(key), "reason": action.reason, "object": _told(action)},
            )
        return changes

    async def _execute_one(self, action: Action, key: StoreKey) -> bool:
        """Do one action and sort its errors."""
        target = target_of(action)
        if not self.may_write():
            message = "another replica may be leading by now"
            raise StaleSnapshotError(message)
        try:
            return await self._do(action, key)
        except ApiError as error:
            if error.status in {404, 409}:
                await self.observer.refresh(key.namespace, target)
                message = f"{target.kind} {target.name}: {error.message}"
                raise StaleSnapshotError(message) from error
            if error.status in _REJECTED:
                rejection = Rejection(target, error.reason, error.message)
                raise RejectedError(rejection) from error
            raise

    async def _do(self, action: Action, key: StoreKey) -> bool:
        match action:
            case Apply():
                return await self._apply(action, key)
            case Create():
                return await self._create(action.manifest, key)
            case CreateSecret():
                return await self._create_secret(action, key)
            case Scale():
                return await self._scale(action, key)
            case Delete():
                return await self._delete(action, key)
            case WriteStatus():
                return await self._write_status(action, key)
            case _:
                assert_never(action)

    async def _apply(self, action: Apply, key: StoreKey) -> bool:
        manifest, target = action.manifest, key_of(action.manifest)
        await self._check(action.guards, key)
        found = await self._ours_or_none(target, key)
        if action.expected_resource_version is not None:
            metadata = {
                **manifest["metadata"],
                "resourceVersion": action.expected_resource_version,
            }
            manifest = {**manifest, "metadata": metadata}
        applied = await self.api.apply(manifest, key.namespace)
        if applied["kind"] == SECRETS.kind:  # never in the cache
            return found is None or not _same_version(found, applied)
        return self.cache.put(applied)

    async def _ours_or_none(self, target: ObjectRef, key: StoreKey) -> Manifest | None:
        """Refuse when what is there is somebody else's: it would be taken from its owner.

        Returns:
            An object of ours that was not observed: what is observed need not be read.

        """
        known = self.cache.get(key.namespace, target)
        if known is not None:
            if store_name_of(known) != key.name or controlled_by_another(known, key.name):
                raise self._name_conflict(known, key)
            return None
        resource = resource_of(target.api_version, target.kind)
        try:
            found = await self.api.get(resource, key.namespace, target.name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        if _lost_its_label(found, key):
            return found  # the apply puts it back
        if resource is SECRETS and store_name_of(found) == key.name:
            return found  # Secrets are not watched: ours are never in the cache
        raise self._taken(found, key)

    def _taken(self, found: Manifest, key: StoreKey) -> Exception:
        """Tell an object of ours that the watch had not told yet from somebody else's."""
        target = key_of(found)
        if store_name_of(found) == key.name:
            if target.kind != SECRETS.kind:
                self.cache.put(found)
            return StaleSnapshotError(f"{target.kind} {target.name} exists already")
        return self._name_conflict(found, key)

    def _name_conflict(self, found: Manifest, key: StoreKey) -> RejectedError:
        """Tell what to do about an object that has a name of ours and is somebody else's."""
        target = key_of(found)
        message = (
            f"A {target.kind} named {target.name} exists and does not belong to BookStore "
            f"{key.name}. Rename or delete it, or rename the BookStore."
        )
        if target.kind == CLAIMS.kind:
            message += (
                " If its data is this BookStore's: "
                f"kubectl label pvc {target.name} {STORE_LABEL}={key.name}."
            )
        return RejectedError(Rejection(target, "NameConflict", message))

    async def _check(self, guards: Iterable[ObjectRef], key: StoreKey) -> None:
        """Reject an action when what it leans on is somebody else's."""
        for guard in guards:
            await self._ours_or_none(guard, key)

    async def _create(self, manifest: Manifest, key: StoreKey) -> bool:
        resource = resource_of(manifest["apiVersion"], manifest["kind"])
        try:
            created = await self.api.create(resource, manifest, key.namespace)
        except ApiError as error:
            if error.status != 409:
                raise
            name = manifest["metadata"]["name"]
            found = await self.api.get(resource, key.namespace, name)
            if _lost_its_label(found, key):
                label = {"metadata": {"labels": {STORE_LABEL: key.name}}}
                found = await self.api.merge(resource, key.namespace, name, label)
            raise self._taken({**found, **_type_of(manifest)}, key) from error
        if resource is not SECRETS:
            self.cache.put(created)
        return True

    async def _create_secret(self, action: CreateSecret, key: StoreKey) -> bool:
        await self._check(action.guards, key)
        generated = secrets.token_urlsafe(_RANDOM_BYTES)
        completed = {
            name: _base64(value.replace(GENERATED, generated))
            for name, value in action.keys.items()
        }
        data = {**(action.manifest.get("data") or {}), **completed}
        return await self._create({**action.manifest, "data": data}, key)

    async def _scale(self, action: Scale, key: StoreKey) -> bool:
        await self.api.scale(key.namespace, action.deployment, action.replicas)
        # The answer is a Scale; the Deployment's new generation is what decisions need.
        return await self.observer.refresh(key.namespace, target_of(action))

    async def _delete(self, action: Delete, key: StoreKey) -> bool:
        resource = resource_of(action.key.api_version, action.key.kind)
        try:
            answer = await self.api.delete(resource, key.namespace, action.key.name, action.uid)
        except ApiError as error:
            if error.status != 404:
                raise
            return self.cache.remove(key.namespace, action.key, action.uid)
        if answer.get("kind") == action.key.kind:  # finalizers, or Pods that end first
            return self.cache.put(answer)
        return self.cache.remove(key.namespace, action.key, action.uid)

    async def _write_status(self, action: WriteStatus, key: StoreKey) -> bool:
        manifest: dict[str, Any] = {
            "apiVersion": action.key.api_version,
            "kind": action.key.kind,
            "metadata": {"name": action.key.name},
            "status": action.status,
        }
        return self.cache.put(await self.api.apply(manifest, key.namespace, "status"))


def target_of(action: Action) -> ObjectRef:
    """Name the object that an action writes."""
    match action:
        case Apply() | Create() | CreateSecret():
            return key_of(action.manifest)
        case Scale():
            return DEPLOYMENTS.ref(action.deployment)
        case Delete() | WriteStatus():
            return action.key
        case _:
            assert_never(action)


def _lost_its_label(found: Manifest, key: StoreKey) -> bool:
    """Whether it is the operator's own: the label went, so that no watch tells of it any more."""
    metadata = found["metadata"]
    owners = metadata.get("ownerReferences") or ()
    return (
        store_name_of(found) is None
        and all(owner["name"] == key.name for owner in owners if owner["kind"] == BOOKSTORES.kind)
        and any(each["manager"] == FIELD_MANAGER for each in metadata.get("managedFields") or ())
    )


def _told(action: Action) -> str:
    target = target_of(action)
    return f"{target.kind}/{target.name}"


def _same_version(one: Manifest, other: Manifest) -> bool:
    return bool(one["metadata"]["resourceVersion"] == other["metadata"]["resourceVersion"])


def _type_of(manifest: Manifest) -> dict[str, Any]:
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"]}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
