"""A Snapshot is a frozen picture of all that a decision needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bookstore_operator.core.kinds import key_of
from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """What whoever installs the operator chooses, for all BookStores."""

    postgres_image: str = "postgres:18"
    valkey_image: str = "valkey/valkey:8.1"


@dataclass(frozen=True, slots=True)
class Rejection:
    """The API server would not have a write: quota, admission, validation, a name that is taken."""

    target: ObjectRef
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One BookStore, its releases and what it owns, as observed at one moment."""

    store: BookStore
    releases: tuple[BookStoreRelease, ...] = ()
    """By revision and attempt, oldest first."""
    objects: Mapping[ObjectRef, Manifest] = field(default_factory=dict)
    """Every observed object that carries this BookStore's label: Deployments, Jobs, Pods,
    Services, EndpointSlices, HPAs, PDBs, NetworkPolicies, StatefulSets, CronJobs, PVCs."""
    secrets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The Secrets that the BookStore names or owns: name → its keys. Never their values."""
    malformed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What is wrong with what is used of those Secrets: name → key → what, never the value."""
    pull_secrets: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with Secrets that images can't be pulled with: name → what."""
    warnings: Mapping[ObjectRef, str] = field(default_factory=dict)
    """The newest Warning event about objects whose status does not say what is wrong."""
    settings: OperatorSettings = OperatorSettings()
    rejection: Rejection | None = None
    """The write that was refused when this BookStore was last looked at, if one was."""


def snapshot_of(
    store: Manifest,
    releases: Iterable[Manifest],
    objects: Iterable[Manifest],
    secrets: Mapping[str, frozenset[str]],
    settings: OperatorSettings,
) -> Snapshot:
    """Return the Snapshot of a BookStore.

    `objects` must have apiVersion and kind, also where a list of the API server leaves them out.
    Raises pydantic's ValidationError when a BookStore or a release does not fit its model.
    """
    parsed = (BookStoreRelease.model_validate(release) for release in releases)
    return Snapshot(
        store=BookStore.model_validate(store),
        releases=tuple(sorted(parsed, key=lambda r: (r.spec.revision, r.spec.attempt))),
        objects={key_of(manifest): manifest for manifest in objects},
        secrets=dict(secrets),
        settings=settings,
    )
