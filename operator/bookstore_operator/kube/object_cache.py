"""The newest known state of each object, from the watches and the operator's own writes.

A watch lags behind the operator's own writes. So the response to a write goes into the cache at
once, and an event with an older resourceVersion than the cached object changes nothing. A deleted
object stays deleted: late events about it are recognized by their uid and version.
"""

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bookstore_operator.core.kinds import (
    BOOKSTORES,
    RECORDS,
    SECRETS,
    Resource,
    key_of,
    store_name_of,
)
from bookstore_operator.core.managers import pod_spec_entries
from bookstore_operator.core.plan import Manifest, ObjectRef

logger = logging.getLogger(__name__)

_TOMBSTONES = 10_000
_LAST_STATE_SECONDS = 30.0
"""How long the result of a deleted Job can be read: some policies delete Jobs as they end."""
_OVER = frozenset({"Succeeded", "Failed"})
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True, order=True)
class StoreKey:
    """The namespaced name of a BookStore."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


_Address = tuple[str, ObjectRef]


class ObjectCache:
    """Caches the newest known state of all watched objects, by name and by BookStore."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_states: dict[StoreKey, dict[ObjectRef, tuple[float, Manifest]]] = {}
        self._objects: dict[_Address, Manifest] = {}
        self._by_store: dict[StoreKey, set[ObjectRef]] = {}
        self._gone: OrderedDict[str, float] = OrderedDict()
        """The version at which each object was removed, by uid; infinite if it was deleted."""

    def put(self, manifest: Manifest) -> bool:
        """Store an object's state; False if it is not newer than the cached one.

        Raises:
            ValueError: the object is a Secret, which must not be kept in memory.

        """
        if manifest["kind"] == SECRETS.kind:
            message = "a Secret must not be kept in memory"
            raise ValueError(message)
        address, uid = _address_of(manifest), _uid_of(manifest)
        cached = self._objects.get(address)
        if version_of(manifest) <= self._gone.get(uid, -1):
            return False
        if cached is not None and not _is_newer(manifest, cached):
            return False
        if cached is not None:
            self._forget(address)
        self._objects[address] = trimmed(manifest)
        if (name := store_name_of(manifest)) is not None:
            self._by_store.setdefault(StoreKey(address[0], name), set()).add(address[1])
        return True

    def put_scaled(self, namespace: str, key: ObjectRef, replicas: int) -> bool:
        """Store that an object has been scaled, until the watch delivers it: it is not read for it.

        It keeps its version, so that whatever the watch delivers is newer. Its generation is
        another one, so that its status counts as that of the former size.
        """
        cached = self._objects.get((namespace, key))
        if cached is None or cached["spec"].get("replicas") == replicas:
            return True  # the watch was faster
        self._objects[namespace, key] = {
            **cached,
            "spec": {**cached["spec"], "replicas": replicas},
            "metadata": {
                **cached["metadata"],
                "generation": cached["metadata"].get("generation", 0) + 1,
            },
        }
        return True

    def remove(self, namespace: str, key: ObjectRef, uid: str, version: float = math.inf) -> bool:
        """Remove an object; False if it was not cached, or in a newer version.

        With a version it only left the watch: an object that lost its label can get it again.
        """
        self._gone[uid] = max(version, self._gone.get(uid, version))
        if len(self._gone) > _TOMBSTONES:
            self._gone.popitem(last=False)
        cached = self._objects.get((namespace, key))
        if cached is None or _uid_of(cached) != uid or version_of(cached) > version:
            return False
        self._forget((namespace, key))
        return True

    def put_listed(
        self, resource: Resource, listed: Iterable[Manifest], present: set[str]
    ) -> set[StoreKey]:
        """Store a part of a list of a kind, and add the uids that are in it to `present`.

        Returns:
            The BookStores whose objects have changed.

        """
        changed: set[StoreKey] = set()
        for manifest in listed:
            try:
                present.add(_uid_of(manifest))
                if self.put(manifest):
                    changed |= _store_key_of(manifest)
            except Exception:  # one object must not keep the operator from all others
                logger.exception("Could not cache a listed %s", resource.kind)
        return changed

    def remove_absent(
        self, resource: Resource, namespace: str | None, present: set[str], list_version: str
    ) -> set[StoreKey]:
        """Remove the objects of a kind that are older than a list and not in it.

        Returns:
            The BookStores whose objects have changed.

        """
        changed: set[StoreKey] = set()
        for address in self._of_kind(resource, namespace):
            cached = self._objects[address]
            if _uid_of(cached) not in present and version_of(cached) <= _number(list_version):
                self.remove(*address, _uid_of(cached), _number(list_version))
                changed |= _store_key_of(cached)
        return changed

    def drop_namespace(self, namespace: str) -> None:
        """Remove a namespace's objects, which can be put again when they are seen again."""
        for address in [address for address in self._objects if address[0] == namespace]:
            self._forget(address)

    def forget(self, namespace: str, key: ObjectRef) -> None:
        """Remove an object, which can be put again when it is seen again."""
        if (namespace, key) in self._objects:
            self._forget((namespace, key))

    def get(self, namespace: str, key: ObjectRef) -> Manifest | None:
        """Return the newest known state of an object; None if it is not cached."""
        return self._objects.get((namespace, key))

    def bookstore(self, store: StoreKey) -> Manifest | None:
        """Return the newest known state of a BookStore; None if it is not cached."""
        return self.get(store.namespace, BOOKSTORES.ref(store.name))

    def records(self, store: StoreKey) -> list[Manifest]:
        """Return a BookStore's releases, backups and restores, in no particular order."""
        return [
            self._objects[store.namespace, key]
            for key in self._by_store.get(store, ())
            if key.kind in RECORDS
        ]

    def owned(self, store: StoreKey) -> Mapping[ObjectRef, Manifest]:
        """Return the other objects with a BookStore's label, in a stable order.

        Also the last states of Jobs that have just been deleted, and of their Pods.
        """
        objects = {
            **self._results(store),
            **{key: self._objects[store.namespace, key] for key in self._by_store.get(store, ())},
        }
        return {
            key: objects[key]
            for key in sorted(objects, key=_order)
            if key.kind != BOOKSTORES.kind and key.kind not in RECORDS
        }

    def keep_result(self, manifest: Manifest) -> None:
        """Keep the last state of a Job that was deleted after it had ended, or of a Pod of one."""
        for store in _store_key_of(manifest):
            if _has_ended(manifest):
                until = self._clock() + _LAST_STATE_SECONDS
                kept = (until, _as_result(trimmed(manifest)))
                self._last_states.setdefault(store, {})[key_of(manifest)] = kept

    def _results(self, store: StoreKey) -> dict[ObjectRef, Manifest]:
        now, kept = self._clock(), self._last_states.pop(store, {})
        if current := {key: item for key, item in kept.items() if now < item[0]}:
            self._last_states[store] = current
        return {key: manifest for key, (_, manifest) in current.items()}

    def stores(self) -> list[StoreKey]:
        """Return all BookStores."""
        return [
            StoreKey(namespace, key.name)
            for namespace, key in self._objects
            if key.kind == BOOKSTORES.kind
        ]

    def __len__(self) -> int:
        return len(self._objects)

    def _of_kind(self, resource: Resource, namespace: str | None) -> list[_Address]:
        return [
            (where, key)
            for where, key in self._objects
            if key.kind == resource.kind
            and key.api_version == resource.api_version
            and namespace in {None, where}
        ]

    def _forget(self, address: _Address) -> None:
        for store in _store_key_of(self._objects.pop(address)):
            keys = self._by_store[store]
            keys.discard(address[1])
            if not keys:
                del self._by_store[store]


def trimmed(manifest: Manifest) -> Manifest:
    """Return an object without what no decision reads: managed fields, most of a Pod's spec.

    A Job is created and never applied, so its Pod template is compared with nothing.

    Managed fields are kept of a Pod template that others have changed, too.
    """
    kept = dict(manifest)
    metadata = dict(manifest["metadata"])
    metadata.pop("managedFields", None)
    if entries := pod_spec_entries(manifest):
        metadata["managedFields"] = entries
    if _LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {
            name: value for name, value in metadata["annotations"].items() if name != _LAST_APPLIED
        }
    kept["metadata"] = metadata
    if kept.get("kind") == "Pod":
        kept["spec"] = _trimmed_pod_spec(manifest.get("spec") or {})
    elif kept.get("kind") == "Job":
        spec = manifest.get("spec") or {}
        kept["spec"] = {name: value for name, value in spec.items() if name != "template"}
    return kept


def _has_ended(manifest: Manifest) -> bool:
    status = manifest.get("status") or {}
    if manifest["kind"] == "Pod":
        return status.get("phase") in _OVER
    ended = (item for item in status.get("conditions") or () if item.get("status") == "True")
    return manifest["kind"] == "Job" and any(item["type"] in _ENDED for item in ended)


_ENDED = frozenset({"Complete", "Failed"})


def _as_result(manifest: Manifest) -> Manifest:
    """Return a deleted object as one that is not to be deleted again, or waited for."""
    metadata = dict(manifest["metadata"])
    if manifest["kind"] == "Pod":
        metadata.pop("deletionTimestamp", None)  # or it would count as one that may still run
    else:
        metadata.setdefault("deletionTimestamp", metadata.get("creationTimestamp"))
    return {**manifest, "metadata": metadata}


def _trimmed_pod_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    names = ("nodeName", "readinessGates", "imagePullSecrets")
    kept = {name: spec[name] for name in names if name in spec}
    for containers in ("initContainers", "containers"):
        kept[containers] = [
            {name: container[name] for name in ("name", "image") if name in container}
            for container in spec.get(containers) or ()
        ]
    return kept


def _is_newer(manifest: Manifest, cached: Manifest) -> bool:
    return version_of(manifest) > version_of(cached)


def version_of(manifest: Manifest) -> int:
    """Return an object's resourceVersion as a number; 0 if it has none."""
    return _number(manifest["metadata"].get("resourceVersion", ""))


def _number(version: str) -> int:
    """Return a resourceVersion as a number: comparable, as Kubernetes guarantees since 1.35."""
    return int(version) if version.isdecimal() else 0


def _uid_of(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("uid", ""))


def _address_of(manifest: Manifest) -> _Address:
    return manifest["metadata"]["namespace"], key_of(manifest)


def _store_key_of(manifest: Manifest) -> set[StoreKey]:
    name = store_name_of(manifest)
    return set() if name is None else {StoreKey(manifest["metadata"]["namespace"], name)}


def _order(key: ObjectRef) -> tuple[str, str]:
    return key.kind, key.name
