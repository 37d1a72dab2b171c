"""A Plan is data: what one reconcile is going to do, each action with its reason and message.

`decide` writes Plans, `apply` carries them out from top to bottom and stops at the first action
that fails: so an action that records a decision stands before the action that acts on it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, TypeAlias

Manifest: TypeAlias = Mapping[str, Any]
"""A Kubernetes object (or the part of it that a field manager applies) as JSON data."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Names an object within the BookStore's namespace."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of a whole manifest by the operator's field manager.

    With `expected_resource_version` the API server refuses the write when the object has changed
    since it was observed: what fences a leader that woke up late.
    """

    manifest: Manifest
    reason: str
    message: str
    expected_resource_version: str | None = None
    irreversible: bool = False
    """It sends users elsewhere, which nobody takes back: first the newest intents are read live."""
    guards: tuple[ObjectRef, ...] = ()
    """Objects that must be this BookStore's, or not exist, before it is written."""


@dataclass(frozen=True, slots=True)
class Create:
    """Create an object that must not exist yet; that it exists means the snapshot was stale."""

    manifest: Manifest
    reason: str
    message: str
    irreversible: ClassVar[bool] = False


GENERATED = "{generated}"
"""Where the random value goes in what a Secret is to have."""


@dataclass(frozen=True, slots=True)
class CreateSecret:
    """Create a Secret with a newly generated random value in it: a password, a token.

    The manifest has everything but that; `apply` generates it and completes the keys, so that no
    random value passes through the pure parts.
    """

    manifest: Manifest
    keys: Mapping[str, str]
    """Key → value, with GENERATED where the (URL-safe, 43 characters long) random value goes."""
    reason: str
    message: str
    guards: tuple[ObjectRef, ...] = ()
    """Objects that must be this BookStore's, or not exist, before it is created."""
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
    """Delete an object, if it is still the one observed (by its uid)."""

    key: ObjectRef
    uid: str
    reason: str
    message: str
    irreversible: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Apply the status of a BookStore or a BookStoreRelease (status subresource)."""

    key: ObjectRef
    status: Manifest
    reason: str
    message: str
    irreversible: ClassVar[bool] = False


Action: TypeAlias = Apply | Create | CreateSecret | Scale | Delete | WriteStatus


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
    """All that one reconcile does, in order."""

    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    """Posted after the actions succeeded."""
    requeue_after: timedelta | None = None
    """When to look again though nothing has changed (a deadline, a delay)."""

    @property
    def irreversible(self) -> bool:
        """Whether something in it can't be undone: a switch of users, a deletion."""
        return any(action.irreversible for action in self.actions)
