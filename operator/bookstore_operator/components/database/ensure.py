"""Ensure the embedded databases: the BookStore's own server, and one that a restore has made.

A server runs while a release has Pods that use it, or may get some. Else it is stopped, and its
volume claim stays until a person deletes it.
"""

from collections.abc import Iterator

from bookstore_operator.components.database.identity import is_whole
from bookstore_operator.components.database.manifests import (
    Place,
    database_secret,
    database_secret_keys,
    database_secret_owner,
    database_service,
    database_stateful_set,
)
from bookstore_operator.components.database.secrets import password_lost, volume_being_deleted
from bookstore_operator.components.database.servers import Server, used_servers
from bookstore_operator.components.database.volume import (
    replace_unbound_claim,
    with_existing_volume,
)
from bookstore_operator.core import history
from bookstore_operator.core.ensure import ensure, ensure_absent, ensure_secret
from bookstore_operator.core.kinds import CLAIMS, SERVICES, STATEFUL_SETS
from bookstore_operator.core.labels import RESTORE_LABEL
from bookstore_operator.core.lookup import all_of, find, label, owned_by
from bookstore_operator.core.plan import Action, Apply, Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.workloads.stuck import replace_stuck_pods


def ensure_database(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the changes of the embedded databases that are used, or were."""
    if snapshot.store.spec.database.embedded is None:
        return
    used = list(used_servers(snapshot))
    for server in used:
        if not server.restore or _may_take(snapshot, server):
            yield from ensure_server(snapshot, place_of(snapshot, server))
    for server in _former_servers(snapshot):
        if server not in used and _may_stop(snapshot):
            yield from _leave(snapshot, place_of(snapshot, server))


def place_of(snapshot: Snapshot, server: Server) -> Place:
    """Return a server of the BookStore's with what the spec says of it."""
    embedded = snapshot.store.spec.database.embedded
    if embedded is None:
        raise ValueError("the database is external")
    image = snapshot.settings.postgres_image
    return Place(server, embedded.storage, embedded.resources, image)


def ensure_server(snapshot: Snapshot, place: Place) -> Iterator[Action]:
    """Yield the changes of a server; nothing if its password is lost.

    If then its volume claim is deleted too, the server is stopped: the claim is only deleted when
    no Pod uses it, and the StatefulSet would create the next Pod with it.
    """
    store, server = snapshot.store, place.server
    if password_lost(snapshot, server):
        if volume_being_deleted(snapshot, server):
            yield from stop(snapshot, place)
        return
    # A StatefulSet uses any claim with the name, and a new password would not work with its data.
    volume = CLAIMS.ref(server.claim)
    secret, keys = database_secret(store, server), database_secret_keys(store, server)
    why = "The embedded database has no password yet."
    yield from ensure_secret(snapshot, secret, keys, why, guards=(volume,))
    yield from ensure(snapshot, database_service(store, server, place.restore))
    wanted = database_stateful_set(store, place)
    observed = find(snapshot, STATEFUL_SETS, server.name)
    if replaced := list(replace_unbound_claim(snapshot, wanted, observed)):
        yield from replaced
        return
    stateful_set = with_existing_volume(wanted, observed)
    yield from _secret_owner(snapshot, place, stateful_set)
    yield from ensure(snapshot, stateful_set, guards=(volume,))
    yield from replace_stuck_pods(snapshot, observed)


def stop(snapshot: Snapshot, place: Place) -> Iterator[Action]:
    """Yield the end of a server's Pod. Its volume claim stays."""
    wanted = database_stateful_set(snapshot.store, place)
    observed = find(snapshot, STATEFUL_SETS, place.server.name)
    server = with_existing_volume(wanted, observed)
    yield from ensure(snapshot, {**server, "spec": {**server["spec"], "replicas": 0}})


def _may_take(snapshot: Snapshot, server: Server) -> bool:
    """Whether a restored server may become the BookStore's: it is whole, or has been used before.

    From then on the BookStore owns it, so that the deletion of the BookStoreRestore deletes no
    data. It is never created here: without the restore it would be empty.
    """
    observed = find(snapshot, STATEFUL_SETS, server.name)
    if observed and owned_by(observed, snapshot.store.metadata.uid):
        return True
    restore = next((r for r in snapshot.restores if r.name == server.restore), None)
    if restore:
        return is_whole(snapshot, restore)
    return find(snapshot, CLAIMS, server.claim) is not None


def _former_servers(snapshot: Snapshot) -> Iterator[Server]:
    """Yield the BookStore's servers that exist, whether they are used or not."""
    store = snapshot.store
    for stateful_set in all_of(snapshot, STATEFUL_SETS):
        server = Server(store.name, label(stateful_set, RESTORE_LABEL) or "")
        mine = owned_by(stateful_set, store.metadata.uid)
        if mine and stateful_set["metadata"]["name"] == server.name:
            yield server


def _may_stop(snapshot: Snapshot) -> bool:
    """Whether it is known which databases are used: a release serves, and no record is missing."""
    return history.active(snapshot) is not None and snapshot.blocker is None


def _leave(snapshot: Snapshot, place: Place) -> Iterator[Action]:
    """Yield the end of a server that no release uses any more.

    Its claim stays until a person deletes it. Then the rest goes, too.
    """
    server = place.server
    if find(snapshot, CLAIMS, server.claim):
        yield from stop(snapshot, place)
        return
    why = "nothing uses it, and its volume claim was deleted."
    yield from ensure_absent(find(snapshot, STATEFUL_SETS, server.name), why)
    yield from ensure_absent(find(snapshot, SERVICES, server.name), why)


def _secret_owner(snapshot: Snapshot, place: Place, stateful_set: Manifest) -> Iterator[Action]:
    """Yield the owner of the Secret, so that it is kept or deleted like its volume.

    The owners are unknown of a Secret that is created in the same Plan. It is applied just before
    the StatefulSet, so the StatefulSet's retention policy shows what the Secret has.
    """
    store, name = snapshot.store, place.server.name
    policy = stateful_set["spec"]["persistentVolumeClaimRetentionPolicy"]
    wanted = database_secret_owner(store, place.server, place.restore)
    uids = {owner["uid"] for owner in wanted["metadata"].get("ownerReferences") or ()}
    owners = snapshot.secret_owners.get(name)
    if owners is not None and owners & _possible_owners(snapshot, place) == uids:
        return
    observed = find(snapshot, STATEFUL_SETS, name)
    retention = observed and observed["spec"].get("persistentVolumeClaimRetentionPolicy")
    if owners is None and retention == policy:
        return
    why = f"The database's Secret follows its volume: {policy['whenDeleted']}."
    yield Apply(wanted, "Update", why)


def _possible_owners(snapshot: Snapshot, place: Place) -> set[str]:
    """Return the UIDs of all that the operator ever makes the owner of a server's Secret."""
    restores = {r.metadata.uid for r in snapshot.restores if r.name == place.server.restore}
    return {snapshot.store.metadata.uid, *restores}
