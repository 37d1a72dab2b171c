"""The Secret and keys of the database's URIs, and whether the embedded one's password is lost."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from pydantic import ValidationError

from bookstore_operator.components.database.identity import database_volume
from bookstore_operator.components.database.servers import (
    Server,
    current_database,
    database_of,
    may_run,
    server_of,
)
from bookstore_operator.core import contract
from bookstore_operator.core.kinds import RELEASES, RESTORES
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.secret_values import Content
from bookstore_operator.core.secrets import UsedKeys
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.restore import BookStoreRestore
from bookstore_operator.crd.spec.database import Database, embedded_database


def database_keys(store: BookStore) -> UsedKeys:
    """Return the Secret and keys of the URIs of the database that the spec names."""
    return keys_of(store.name, store.spec.database)


def keys_of(store: str, database: Database) -> UsedKeys:
    """Return the Secret and keys of the URIs of the database that a spec or an intent names."""
    server, external = server_of(store, database), database.external
    if server:
        return {server.name: {"uri": Content.DATABASE_URI}}
    if external is None:
        return {}
    keys = [key for key in (external.key, external.direct_key) if key]
    return {external.secret_name: dict.fromkeys(keys, Content.DATABASE_URI)}


def direct_uri(store: str, database: Database) -> tuple[str, str]:
    """Return the Secret and its key with the URI for what needs a session of its own."""
    server, external = server_of(store, database), database.external
    if server:
        return server.name, "uri"
    if external is None:
        raise ValueError("neither an embedded nor an external database")
    return external.secret_name, external.direct_key or external.key


def recorded_keys(store: str, records: Iterable[Manifest]) -> Iterator[UsedKeys]:
    """Yield the same for the databases of releases with Pods, and of restores."""
    for record in records:
        with suppress(ValidationError):
            if record["kind"] == RELEASES.kind:
                release = BookStoreRelease.model_validate(record)
                if may_run(release):
                    yield keys_of(store, database_of(release))
            elif record["kind"] == RESTORES.kind:
                restore = BookStoreRestore.model_validate(record)
                external = restore.spec.into.external
                own = embedded_database(restored_from=restore.name)
                yield keys_of(store, Database(external=external) if external else own)


def password_lost(snapshot: Snapshot, server: Server) -> bool:
    """Whether an embedded database has a volume with data but no Secret with its password.

    The StatefulSet replaces a deleted claim at once. The new volume is empty, so it needs no old
    password: it is none of those that releases have migrated.
    """
    volume = database_volume(snapshot, server)
    if volume is None or server.name in snapshot.secrets:
        return False
    migrated = {
        database
        for release in snapshot.releases
        for database in (release.status.database, _attempted(release))
        if database
    }
    return not migrated or volume["metadata"].get("uid") in migrated


def volume_being_deleted(snapshot: Snapshot, server: Server) -> bool:
    """Whether the volume claim is only kept by the Pod that uses it, and then deleted."""
    volume = database_volume(snapshot, server)
    return volume is not None and bool(volume["metadata"].get("deletionTimestamp"))


def _attempted(release: BookStoreRelease) -> str:
    return release.status.last_attempt.database if release.status.last_attempt else ""


def database_advice(snapshot: Snapshot, code: str) -> str:
    """Return what to do about a command's failure, as a sentence and a space; empty if unknown."""
    secret = next(iter(keys_of(snapshot.store.name, current_database(snapshot))), "")
    return {
        contract.UNREACHABLE: "Check that the database runs and is reachable. ",
        contract.AUTHENTICATION_FAILED: f"Correct the credentials in Secret {secret}. ",
    }.get(code, "")
