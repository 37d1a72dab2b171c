"""A Snapshot is the immutable input of a decision: one BookStore and its objects."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from pydantic import ValidationError

from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.reasons import Reason
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.intent import compared, normalized
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.text import fit


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """The operator's own settings, for all BookStores."""

    postgres_image: str = "postgres:18"
    valkey_image: str = "valkey/valkey:8.1"


class Cause(Enum):
    """What kept the last reconciliation from its end."""

    REJECTED = "the API server rejected a write: quota, admission, validation, a name conflict"
    FAILED = "the API server, or a webhook that it asks, did not answer or failed"
    INTERNAL = "an unhandled exception in the operator"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A write or read that the API server did not carry out, or another failure at an object."""

    target: ObjectRef
    reason: str
    message: str
    cause: Cause = Cause.REJECTED
    since: datetime | None = field(default=None, compare=False)
    """When the first of the failures in a row was."""


@dataclass(frozen=True, slots=True)
class Contest:
    """An object that others change again and again after the operator has set it right."""

    target: ObjectRef
    message: str
    """Who changes what, as sentences; the same at each visit."""
    until: datetime | None = field(default=None, compare=False)
    """When the operator writes to it again."""
    account: Hashable = field(default=None, compare=False)
    """What its writes are counted by."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why the operator can't tell what the BookStore's next step is: it takes none."""

    reason: Reason
    message: str
    hides_active: bool = False
    """It is not known which release serves: Service and Deployments must not be changed."""
    hides_secrets: bool = False
    """It is not known which Secrets exist."""


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
    contests: tuple[Contest, ...] = ()
    """The objects that others change again and again."""
    blocker: Blocker | None = None
    """Why no step of a release is taken; None if nothing blocks."""


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
    contests: tuple[Contest, ...] = (),
    blocker: Blocker | None = None,
) -> Snapshot:
    """Return the Snapshot of a BookStore. All Snapshots are constructed here."""
    parsed, unreadable = _parse(releases)
    ordered = tuple(sorted(parsed, key=lambda r: (r.spec.revision, r.spec.attempt)))
    current = compared(store.spec)
    candidates = (*ordered[-1:], find_active(ordered))
    intents = {release.name: release.spec.intent for release in candidates if release}
    return Snapshot(
        store=store,
        releases=ordered,
        matches_spec={name: _is_intent(intent, current) for name, intent in intents.items()},
        objects=objects,
        secrets=secrets,
        pull_secrets=pull_secrets,
        warnings=warnings,
        settings=settings,
        rejection=rejection,
        contests=contests,
        blocker=unreadable or blocker,
    )


def _parse(releases: Iterable[Manifest]) -> tuple[list[BookStoreRelease], Blocker | None]:
    """Return the releases that match their model, and a Blocker if one does not."""
    parsed: list[BookStoreRelease] = []
    blocker: Blocker | None = None
    for release in releases:
        try:
            parsed.append(BookStoreRelease.model_validate(release))
        except ValidationError as error:
            name, status = release["metadata"]["name"], release.get("status") or {}
            message = (
                f"BookStoreRelease {name} can't be read by this operator: {invalid_fields(error)}. "
                "If a newer operator wrote it, run that version again."
            )
            may_serve = bool(status.get("promotedAt") and not status.get("demotedAt"))
            hides_active = may_serve or bool(blocker and blocker.hides_active)
            blocker = Blocker(Reason.RECORD_INVALID, message, hides_active)
    return parsed, blocker


def _is_intent(intent: Mapping[str, Any], current: Mapping[str, Any]) -> bool:
    """Whether a recorded intent is the current one; False if this operator can't read it."""
    try:
        return normalized(intent) == current
    except ValidationError:
        return False


def invalid_fields(error: ValidationError) -> str:
    """Return the first fields that do not match a model, and why, as part of a sentence."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in details[:3]]
    more = f" and {len(details) - 3} more" if len(details) > 3 else ""
    return fit("; ".join(texts) + more)


def find_active(releases: Iterable[BookStoreRelease]) -> BookStoreRelease | None:
    """Return the release that its record says is promoted, whatever the Service selects."""
    promoted = [r for r in releases if r.status.promoted_at and not r.status.demoted_at]
    return promoted[-1] if promoted else None
