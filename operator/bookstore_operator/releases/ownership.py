"""Which releases are this BookStore's own: not what others made, or a former BookStore has left.

Only the operator creates BookStoreReleases, for they carry a Pod template. One that somebody else
has made is never acted on.

`kubectl delete --cascade=orphan` leaves all objects without an owner. A new BookStore of the name
takes them over as a whole, so that users are served without a break. It does not if the database is
another one: the records say what was done to a database that is gone, and must not serve from it.
"""

from dataclasses import replace
from typing import NamedTuple

from pydantic import ValidationError

from bookstore_operator.components.database.gate import database_ready
from bookstore_operator.components.database.identity import database_identity, replaced
from bookstore_operator.components.serving.pod_template import api_pod_template
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.kinds import RELEASES
from bookstore_operator.core.metadata import metadata
from bookstore_operator.core.plan import Action, Apply
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.intent import normalized
from bookstore_operator.crd.release import BookStoreRelease, ReleaseStatus
from bookstore_operator.releases.remigrate import record_databases


class Ownership(NamedTuple):
    """The Snapshot with the BookStore's own releases only, and what to do about the others."""

    snapshot: Snapshot
    answer: Answer
    actions: tuple[Action, ...] = ()


def take_ownership(snapshot: Snapshot, visit: Visit) -> Ownership:
    """Take over the releases that a former BookStore has left, or refuse them by name."""
    if snapshot.former_releases:
        left = " ".join(snapshot.former_releases)
        message = (
            f"Waiting for Kubernetes to delete what belongs to a former BookStore of this name: "
            f"BookStoreRelease {left}. If that does not end, see what keeps them: kubectl get "
            f"bookstorerelease --namespace {snapshot.store.metadata.namespace} -o yaml {left}."
        )
        return Ownership(snapshot, Waiting(Reason.RELEASING, message))
    if foreign := [r for r in snapshot.releases if not _is_ours(snapshot, r)]:
        ours = tuple(r for r in snapshot.releases if r not in foreign)
        return Ownership(replace(snapshot, releases=ours), _ignore(snapshot, foreign))
    orphans = [r for r in snapshot.releases if r.name in snapshot.orphaned_releases]
    if not orphans:
        return Ownership(snapshot, Passed())
    without = replace(snapshot, releases=tuple(r for r in snapshot.releases if r not in orphans))
    if not database_identity(snapshot) and snapshot.store.spec.database.external:
        return Ownership(without, visit.ask(database_ready, without))
    if not _is_whole(snapshot, orphans):
        return Ownership(without, _refuse(snapshot, orphans))
    return Ownership(snapshot, Passed(), tuple(_adopt(snapshot, orphan) for orphan in orphans))


def _is_ours(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    """Whether the operator has created a release.

    Nobody else can write a status, and none can be given to an object that is created. A release
    without one must be what the operator creates: rendered from its intent, which the BookStore
    asks for, or has asked for when the release was created that it goes back to. One of an intent
    that is not wanted any more is superseded without a Pod.
    """
    if release.status != ReleaseStatus():
        return True
    try:
        return _is_rendered(snapshot, release) and _has_its_intent(snapshot, release)
    except ValidationError:
        return False


def _is_rendered(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    spec = release.spec
    template = api_pod_template(snapshot.store.name, spec.revision, spec.color, spec.intent)
    return spec.template() == template


def _has_its_intent(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    spec = release.spec
    if not spec.rollback_of:
        return not spec.overrides
    of = next((r for r in snapshot.releases if r.name == spec.rollback_of), None)
    return of is not None and normalized(of.spec.intent) == normalized(spec.intent)


def _ignore(snapshot: Snapshot, foreign: list[BookStoreRelease]) -> Waiting:
    listed = " ".join(release.name for release in foreign)
    return Waiting(
        Reason.RECORD_INVALID,
        f"BookStoreReleases that this operator has not created are not acted on: {listed}. To go "
        f"on: kubectl delete bookstorerelease --namespace {snapshot.store.metadata.namespace} "
        f"{listed}.",
        stalled=True,
    )


def _is_whole(snapshot: Snapshot, orphans: list[BookStoreRelease]) -> bool:
    """Whether the database of the orphaned releases is there."""
    known = record_databases(snapshot)
    mine = [release for release in known.releases if release.name in {o.name for o in orphans}]
    migrated = [release for release in mine if release.status.database]
    return not migrated or (
        bool(database_identity(snapshot)) and not any(replaced(known, r) for r in migrated[-1:])
    )


def _refuse(snapshot: Snapshot, orphans: list[BookStoreRelease]) -> Waiting:
    left = " ".join(orphan.name for orphan in orphans)
    return Waiting(
        Reason.NAME_CONFLICT,
        f"A former BookStore {snapshot.store.name} has left BookStoreReleases without an owner "
        f"({left}), but its database is not there any more: they can't be taken over. To begin "
        "with an empty database: kubectl delete bookstorerelease --namespace "
        f"{snapshot.store.metadata.namespace} {left}.",
        stalled=True,
    )


def _adopt(snapshot: Snapshot, orphan: BookStoreRelease) -> Action:
    meta = metadata(snapshot.store, orphan.name)
    message = f"BookStoreRelease {orphan.name} was left by a former BookStore: taken over."
    return Apply({**RELEASES.type_meta, "metadata": meta}, "Adopt", message)
