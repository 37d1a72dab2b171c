"""A Snapshot is the immutable input of a decision: one BookStore and its objects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.intent import compared, normalized
from bookstore_operator.crd.release import BookStoreRelease


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """The operator's own settings, for all BookStores."""

    postgres_image: str = "postgres:18"
    valkey_image: str = "valkey/valkey:8.1"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A write that the API server rejected: quota, admission, validation, a name conflict."""

    target: ObjectRef
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One BookStore, its releases and its objects, as observed at one time."""

    store: BookStore
    releases: tuple[BookStoreRelease, ...] = ()
    """By revision and attempt, oldest first."""
    matches_spec: Mapping[str, bool] = field(default_factory=dict)
    """Whether a release has the intent of the current spec, by name, for the newest and the active
    release."""
    objects: Mapping[ObjectRef, Manifest] = field(default_factory=dict)
    """Every observed object with this BookStore's label, with apiVersion and kind."""
    secrets: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    """The Secrets that the BookStore names or owns: name → key → why its value is invalid; None if
    it is valid or not used. Never a value."""
    pull_secrets: Mapping[str, str] = field(default_factory=dict)
    """Invalid image pull secrets of Pods that can't pull their image: name → why."""
    warnings: Mapping[ObjectRef, str] = field(default_factory=dict)
    """The newest Warning event about objects whose status does not explain their state."""
    settings: OperatorSettings = OperatorSettings()
    rejection: Rejection | None = None
    """The write that was rejected in the BookStore's last reconciliation; None if none was."""


def take_snapshot(  # noqa: PLR0913 - one argument per part of the Snapshot
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
    """Return the Snapshot of a BookStore. All Snapshots are constructed here.

    Raises:
        pydantic.ValidationError: a release does not match its model.

    """
    parsed = (BookStoreRelease.model_validate(release) for release in releases)
    ordered = tuple(sorted(parsed, key=lambda r: (r.spec.revision, r.spec.attempt)))
    current = compared(store.spec)
    candidates = (*ordered[-1:], find_active(ordered))
    intents = {release.name: release.spec.intent for release in candidates if release}
    return Snapshot(
        store=store,
        releases=ordered,
        matches_spec={name: normalized(intent) == current for name, intent in intents.items()},
        objects=objects,
        secrets=secrets,
        pull_secrets=pull_secrets,
        warnings=warnings,
        settings=settings,
        rejection=rejection,
    )


def find_active(releases: Iterable[BookStoreRelease]) -> BookStoreRelease | None:
    """Return the release that its record says is promoted, whatever the Service selects."""
    promoted = [r for r in releases if r.status.promoted_at and not r.status.demoted_at]
    return promoted[-1] if promoted else None
