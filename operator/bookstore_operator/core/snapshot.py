"""A Snapshot is the immutable input of a decision: one BookStore and its objects."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError

from bookstore_operator.core.key_sets import KeySet
from bookstore_operator.core.measurements import NONE, Measurements
from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.reasons import Reason
from bookstore_operator.crd import backup, release, restore
from bookstore_operator.crd.backup import BookStoreBackup
from bookstore_operator.crd.base import CustomObject
from bookstore_operator.crd.bookstore import KIND, BookStore
from bookstore_operator.crd.intent import compared, normalized
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.restore import BookStoreRestore
from bookstore_operator.crd.text import fit


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """The operator's own settings, for all BookStores."""

    postgres_image: str = "postgres:18"
    valkey_image: str = "valkey/valkey:8.1"
    backup_images: Mapping[int, str] = field(
        default_factory=lambda: {18: "localhost/bookstore-backup:dev"}
    )
    """The images of bookstore-backup by the major version of PostgreSQL that is in them."""
    namespace: str = "bookstore-system"
    """The operator's own, from which it reads the metrics of Pods."""


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
    backups: tuple[BookStoreBackup, ...] = ()
    """By the time of their creation, oldest first; also those of a former BookStore of the name."""
    restores: tuple[BookStoreRestore, ...] = ()
    """By the time of their creation, oldest first."""
    orphaned_releases: frozenset[str] = frozenset()
    """The names of those that no BookStore owns: their owner was deleted without them."""
    former_releases: tuple[str, ...] = ()
    """The names of releases of a former BookStore, which Kubernetes is about to delete."""
    matches_spec: Mapping[str, bool] = field(default_factory=dict)
    """Whether a release has the intent of the current spec, by name: for the newest one, the active
    one, and the one before it as long as its color is not free."""
    overruling: frozenset[str] = frozenset()
    """The names of those of these releases that overrule the one that the spec asks for. They count
    as matching it."""
    objects: Mapping[ObjectRef, Manifest] = field(default_factory=dict)
    """Every observed object with this BookStore's label, with apiVersion and kind."""
    secrets: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    """The Secrets that the BookStore names or owns: name → key → why its value is invalid; None if
    it is valid or not used. Never a value."""
    databases: Mapping[str, str] = field(default_factory=dict)
    """A digest of host, port and name of the database in each Secret that has URIs of one."""
    secret_owners: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The UIDs of the owners of those of these Secrets that have this BookStore's label."""
    key_sets: Mapping[str, KeySet] = field(default_factory=dict)
    """The ids of the signing keys in each of these Secrets that has a valid key set."""
    pull_secrets: Mapping[str, str] = field(default_factory=dict)
    """Invalid image pull secrets of Pods that can't pull their image: name → why."""
    warnings: Mapping[ObjectRef, str] = field(default_factory=dict)
    """The newest Warning event about objects whose status does not explain their state."""
    overridden: Mapping[ObjectRef, frozenset[str]] = field(default_factory=dict)
    """The differences that webhooks and policies made in what the operator last applied."""
    mutators: Mapping[ObjectRef, tuple[str, ...]] = field(default_factory=dict)
    """The webhooks that may have changed an object, as far as the operator may read them."""
    settings: OperatorSettings = OperatorSettings()
    rejection: Rejection | None = None
    """The write that was rejected in the BookStore's last reconciliation; None if none was."""
    contests: tuple[Contest, ...] = ()
    """The objects that others change again and again."""
    host_taken_by: str = ""
    """Which other BookStore has the host and path of spec.ingress, as part of a sentence."""
    blocker: Blocker | None = None
    """Why no step of a release is taken; None if nothing blocks."""
    missing_rights: str = ""
    """Which rights to write the operator lacks, as sentences; empty if none."""
    measurements: Measurements = field(default_factory=lambda: NONE)
    """The results of what the last Plan wanted to have measured. Only the operator has any."""


def take_snapshot(  # noqa: PLR0913 - one argument per part of the Snapshot
    store: BookStore,
    records: Sequence[Manifest],
    objects: Mapping[ObjectRef, Manifest],
    *,
    secrets: Mapping[str, Mapping[str, str | None]],
    pull_secrets: Mapping[str, str],
    warnings: Mapping[ObjectRef, str],
    settings: OperatorSettings,
    databases: Mapping[str, str] = MappingProxyType({}),
    secret_owners: Mapping[str, frozenset[str]] = MappingProxyType({}),
    key_sets: Mapping[str, KeySet] = MappingProxyType({}),
    overridden: Mapping[ObjectRef, frozenset[str]] = MappingProxyType({}),
    mutators: Mapping[ObjectRef, tuple[str, ...]] = MappingProxyType({}),
    rejection: Rejection | None = None,
    contests: tuple[Contest, ...] = (),
    host_taken_by: str = "",
    blocker: Blocker | None = None,
    missing_rights: str = "",
    measurements: Measurements = NONE,
) -> Snapshot:
    """Return the Snapshot of a BookStore. All Snapshots are constructed here.

    `records` are its releases, backups and restores.

    Without `databases`, `secret_owners` and `key_sets`, known to who may read Secrets, and
    `overridden`, known to the operator, a decision takes the database, Secrets and webhooks'
    changes as they are.
    """
    releases = [record for record in records if record.get("kind") == release.KIND]
    owners = {record["metadata"]["name"]: _owners(record) for record in releases}
    former = {name for name, uids in owners.items() if uids and store.metadata.uid not in uids}
    current_ones = (r for r in releases if r["metadata"]["name"] not in former)
    parsed, unreadable = _parse(BookStoreRelease, current_ones)
    backups, unreadable_backup = _by_creation(BookStoreBackup, backup.KIND, records)
    restores, unreadable_restore = _by_creation(BookStoreRestore, restore.KIND, records)
    ordered = tuple(sorted(parsed, key=lambda r: (r.spec.revision, r.spec.attempt)))
    current = compared(store.spec)
    # The newest, the active one, and the one before that, as long as it can serve again.
    serving = [r for r in ordered if r.status.promoted_at and not r.status.demoted_at]
    candidates = {release.name: release for release in (*ordered[-1:], *serving)}
    matches = {name: _is_intent(r.spec.intent, current) for name, r in candidates.items()}
    overruling = _overruling(ordered, candidates.values(), current)
    return Snapshot(
        store=store,
        releases=ordered,
        backups=backups,
        restores=restores,
        orphaned_releases=frozenset(name for name, uids in owners.items() if not uids),
        former_releases=tuple(sorted(former)),
        matches_spec={name: own or name in overruling for name, own in matches.items()},
        overruling=overruling - {name for name, own in matches.items() if own},
        objects=objects,
        secrets=secrets,
        databases=databases,
        secret_owners=secret_owners,
        key_sets=key_sets,
        pull_secrets=pull_secrets,
        warnings=warnings,
        overridden=overridden,
        mutators=mutators,
        settings=settings,
        rejection=rejection,
        contests=contests,
        host_taken_by=host_taken_by,
        blocker=unreadable or unreadable_backup or unreadable_restore or blocker,
        missing_rights=missing_rights,
        measurements=measurements,
    )


_Record = TypeVar("_Record", bound=CustomObject)


def _by_creation(
    model: type[_Record], kind: str, records: Iterable[Manifest]
) -> tuple[tuple[_Record, ...], Blocker | None]:
    """Return the records of a kind, oldest first, and a Blocker if one can't be read."""
    parsed, blocker = _parse(model, (record for record in records if record.get("kind") == kind))
    return tuple(sorted(parsed, key=lambda r: (r.metadata.created_at, r.name))), blocker


def _parse(
    model: type[_Record], records: Iterable[Manifest]
) -> tuple[list[_Record], Blocker | None]:
    """Return the records that match their model, and a Blocker if one does not."""
    parsed: list[_Record] = []
    blocker: Blocker | None = None
    for record in records:
        try:
            parsed.append(model.model_validate(record))
        except ValidationError as error:
            name, status = record["metadata"]["name"], record.get("status") or {}
            message = (
                f"{record['kind']} {name} can't be read by this operator: {invalid_fields(error)}. "
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


def _overruling(
    releases: Sequence[BookStoreRelease],
    candidates: Iterable[BookStoreRelease],
    current: Mapping[str, Any],
) -> frozenset[str]:
    """Return the names of the candidates that overrule the release which the spec asks for."""
    overruled = {release.spec.overrides for release in candidates if release.spec.overrides}
    asked = {r.name for r in releases if r.name in overruled and _is_intent(r.spec.intent, current)}
    return frozenset(release.name for release in candidates if release.spec.overrides in asked)


def invalid_fields(error: ValidationError) -> str:
    """Return the first fields that do not match a model, and why, as part of a sentence."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in details[:3]]
    more = f" and {len(details) - 3} more" if len(details) > 3 else ""
    return fit("; ".join(texts) + more)


def _owners(release: Manifest) -> frozenset[str]:
    """Return the UIDs of the BookStores that own a release."""
    owners = release["metadata"].get("ownerReferences") or ()
    return frozenset(owner["uid"] for owner in owners if owner.get("kind") == KIND)


def find_release(snapshot: Snapshot, name: str) -> BookStoreRelease:
    """Return the release of a name, which must exist."""
    return next(release for release in snapshot.releases if release.name == name)


def find_active(releases: Iterable[BookStoreRelease]) -> BookStoreRelease | None:
    """Return the release that its record says is promoted, whatever the Service selects."""
    promoted = [r for r in releases if r.status.promoted_at and not r.status.demoted_at]
    return promoted[-1] if promoted else None
