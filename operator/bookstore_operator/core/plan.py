"""A Plan is data: the actions and events of one reconciliation, with their reasons and messages.

`decide` returns Plans. The Executor executes them from top to bottom and stops at the first action
that fails, so the action that records a decision must precede the action that acts on it.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, TypeAlias

from bookstore_operator.core.measurements import Measurement

Manifest: TypeAlias = Mapping[str, Any]
"""A Kubernetes object (or the part of it that a field manager applies) as JSON data."""

FIELD_MANAGER = "bookstore-operator"
"""Whom server-side apply writes down as the manager of the fields of an Apply."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """A reference to an object within the BookStore's namespace."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of a whole manifest by the operator's field manager.

    With `expected_resource_version` the API server rejects the write if the object has changed
    since it was observed. That fences a former leader that was frozen.
    """

    manifest: Manifest
    reason: str
    message: str
    expected_resource_version: str | None = None
    irreversible: bool = False
    """It can't be undone: the Executor first checks by live reads that the Snapshot is current."""
    guards: tuple[ObjectRef, ...] = ()
    """Objects that must belong to this BookStore, or not exist, before it is written."""


@dataclass(frozen=True, slots=True)
class Create:
    """Create an object that must not exist yet. If it exists, the Snapshot was stale."""

    manifest: Manifest
    reason: str
    message: str
    irreversible: bool = False
    """What it does can't be undone: the Executor first checks that the Snapshot is current."""
    reads: tuple[ObjectRef, ...] = ()
    """Objects that are read live before: if one has changed, nothing is created."""


GENERATED = "{generated}"
"""The placeholder of the random value in the keys of a CreateSecret."""


GENERATED_KEY, GENERATED_ID = "{generated-key}", "{generated-id}"
"""The placeholders of a signing key (64 hexadecimal digits) and of its id, also in annotations."""


@dataclass(frozen=True, slots=True)
class CreateSecret:
    """Create a Secret with generated random values: a password, a token, or a signing key.

    The Executor generates the value and completes the keys, so no secret passes through the pure
    modules.
    """

    manifest: Manifest
    keys: Mapping[str, str]
    """Key → value, with GENERATED in place of the random value (URL-safe, 43 characters)."""
    reason: str
    message: str
    guards: tuple[ObjectRef, ...] = ()
    """Objects that must belong to this BookStore, or not exist, before it is created."""
    irreversible: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class ChangeKeySet:
    """Change the signing keys in a Secret, and the record of their states, in one write.

    The Executor reads the Secret, generates what is published, and completes the record. If the
    Secret has another version than the one observed, nothing is written.
    """

    key: ObjectRef
    version: str
    """The resourceVersion that was observed."""
    document: str
    """The key of the Secret that has the key set."""
    annotations: Mapping[str, str]
    """With GENERATED_ID in place of the id of the key that is published."""
    reason: str
    message: str
    publishes: bool = False
    signing: str | None = None
    """The id of the key to sign with from now on; None: as before."""
    retires: tuple[str, ...] = ()
    irreversible: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Scale:
    """Set a Deployment's replica count through /scale, the only way it is ever set."""

    deployment: str
    replicas: int
    reason: str
    message: str
    irreversible: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an object, if it is still the one observed (by its uid).

    With `resource_version` the API server rejects the deletion if the object has changed since.
    """

    key: ObjectRef
    uid: str
    reason: str
    message: str
    resource_version: str | None = None
    reads: tuple[ObjectRef, ...] = ()
    """Objects that are read live before: if one has changed, nothing is deleted."""
    irreversible: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Apply the status of a BookStore or a BookStoreRelease (status subresource)."""

    key: ObjectRef
    status: Manifest
    reason: str
    message: str
    irreversible: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class SetFinalizers:
    """Set the finalizers of an object, if they are still as they were observed.

    No apply: it could not remove one that another field manager has set, too.
    """

    key: ObjectRef
    finalizers: tuple[str, ...]
    observed: tuple[str, ...]
    reason: str
    message: str
    irreversible: ClassVar[bool] = True


Action: TypeAlias = (
    Apply | Create | CreateSecret | ChangeKeySet | Scale | Delete | SetFinalizers | WriteStatus
)


class EventType(enum.StrEnum):
    """The two types of event that Kubernetes knows."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event about the BookStore or one of its releases."""

    regarding: ObjectRef
    type: EventType
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions of one reconciliation, in order, and its events."""

    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    """Posted after the actions succeeded."""
    transitions: tuple[Event, ...] = ()
    """Those of the events that tell of the write of the BookStore's status."""
    requeue_after: timedelta | None = None
    """When to reconcile again without an event, for a deadline or a delay."""
    measurements: tuple[Measurement, ...] = ()
    """What to measure from now on; its results are in the next Snapshots."""

    @property
    def irreversible(self) -> bool:
        """Whether an action can't be undone: a switch of users, a deletion."""
        return any(action.irreversible for action in self.actions)
