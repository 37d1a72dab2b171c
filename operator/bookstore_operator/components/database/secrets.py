"""The Secret and keys of the database's URIs, and whether the embedded one's password is lost."""

from bookstore_operator.components.database.identity import database_volume
from bookstore_operator.core import contract, names
from bookstore_operator.core.secret_values import Content
from bookstore_operator.core.secrets import UsedKeys
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease


def database_keys(store: BookStore) -> UsedKeys:
    """Return the Secret and keys of the database's URIs."""
    external = store.spec.database.external
    if external is None:
        return {names.database(store.name): {"uri": Content.DATABASE_URI}}
    keys = [key for key in (external.key, external.direct_key) if key]
    return {external.secret_name: dict.fromkeys(keys, Content.DATABASE_URI)}


def password_lost(snapshot: Snapshot) -> bool:
    """Whether the embedded database has a volume with data but no Secret with its password.

    The StatefulSet replaces a deleted claim at once. The new volume is empty, so it needs no old
    password: it is none of those that releases have migrated.
    """
    volume = database_volume(snapshot)
    if volume is None or names.database(snapshot.store.name) in snapshot.secrets:
        return False
    migrated = {
        database
        for release in snapshot.releases
        for database in (release.status.database, _attempted(release))
        if database
    }
    return not migrated or volume["metadata"].get("uid") in migrated


def volume_being_deleted(snapshot: Snapshot) -> bool:
    """Whether the volume claim is only kept by the Pod that uses it, and then deleted."""
    volume = database_volume(snapshot)
    return volume is not None and bool(volume["metadata"].get("deletionTimestamp"))


def _attempted(release: BookStoreRelease) -> str:
    return release.status.last_attempt.database if release.status.last_attempt else ""


def database_advice(snapshot: Snapshot, code: str) -> str:
    """Return what to do about a command's failure, as a sentence and a space; empty if unknown."""
    external = snapshot.store.spec.database.external
    secret = external.secret_name if external else names.database(snapshot.store.name)
    return {
        contract.UNREACHABLE: "Check that the database runs and is reachable. ",
        contract.AUTHENTICATION_FAILED: f"Correct the credentials in Secret {secret}. ",
    }.get(code, "")
