"""A Snapshot is a frozen picture of all that a decision needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.intent import compared, normalized
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
    wanted: Mapping[str, bool] = field(default_factory=dict)
    """Whether the BookStore asks for what a release makes true: by name, of the newest release and
    the active one."""
    objects: Mapping[ObjectRef, Manifest] = field(default_factory=dict)
    """Every observed object that carries this BookStore's label, with apiVersion and kind."""
    secrets: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    """The Secrets that the BookStore names or owns: name → key → what is wrong with its value, None
    if nothing is or it is not used. Never a value."""
    pull_secrets: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with Secrets that images can't be pulled with: name → what."""
    warnings: Mapping[ObjectRef, str] = field(default_factory=dict)
    """The newest Warning event about objects whose status does not say what is wrong."""
    settings: OperatorSettings = OperatorSettings()
    rejection: Rejection | None = None
    """The write that was rejected when this BookStore was last looked at, if one was."""


def take_snapshot(  # noqa: PLR0913 - each is a part of the picture, which is taken once
    store: BookStore,
    releases: Iterable[Manifest],
    objects: Mapping[ObjectRef, Manifest],
    *,
    secrets: Mapping[str, Mapping[str, str | None]],
    pull_secrets: Mapping[str, str],
    warnings: Mapping[ObjectRef, str],
    settings: OperatorSettings,
    rejection: Rejection | None = None,
) -> Snapshot:
    """Return the Snapshot of a BookStore: the only way to one.

    Raises pydantic's ValidationError when a release does not fit its model.
    """
    parsed = (BookStoreRelease.model_validate(release) for release in releases)
    ordered = tuple(sorted(parsed, key=lambda r: (r.spec.revision, r.spec.attempt)))
    asked = compared(store.spec)
    judged = {release.name: release for release in (*ordered[-1:], find_active(ordered)) if release}
    return Snapshot(
        store=store,
        releases=ordered,
        wanted={name: normalized(each.spec.intent) == asked for name, each in judged.items()},
        objects=objects,
        secrets=secrets,
        pull_secrets=pull_secrets,
        warnings=warnings,
        settings=settings,
        rejection=rejection,
    )


def find_active(releases: Iterable[BookStoreRelease]) -> BookStoreRelease | None:
    """Return the recorded promoted release: what serves, whatever the Service says."""
    promoted = [r for r in releases if r.status.promoted_at and not r.status.demoted_at]
    return promoted[-1] if promoted else None
