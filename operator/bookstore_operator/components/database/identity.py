"""Which database is there now, and whether it is the one that a release has migrated.

A record says what was done to the database of that time. A volume can be lost, or a Secret can name
another server, so a record is true only for the database whose identity it has.
"""

from datetime import datetime

from bookstore_operator.components.database.servers import (
    Server,
    current_database,
    current_server,
    database_of,
    server_of,
)
from bookstore_operator.core.kinds import CLAIMS
from bookstore_operator.core.lookup import controlled_by_another, find
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.restore import BookStoreRestore, RestorePhase
from bookstore_operator.crd.spec.database import Database


def database_identity(snapshot: Snapshot, release: BookStoreRelease | None = None) -> str:
    """Return the identity of a release's database, or of the current one; empty if unknown.

    Of an embedded database it is the UID of the volume claim; of an external one a digest of host,
    port and name in its Secret, so that another user or password is the same database.
    """
    return identity_of(snapshot, database_of(release) if release else current_database(snapshot))


def identity_of(snapshot: Snapshot, database: Database) -> str:
    """Return the identity of the database that a spec or an intent names; empty if unknown."""
    if database.external:
        return snapshot.databases.get(database.external.secret_name, "")
    server = server_of(snapshot.store.name, database)
    claim = database_volume(snapshot, server) if server else None
    return str(claim["metadata"].get("uid", "")) if claim else ""


def replaced(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    """Whether a release has migrated another database than the one that it names now."""
    current = database_identity(snapshot, release)
    return bool(current) and release.status.database not in {"", current}


def describe_replacement(snapshot: Snapshot, release: BookStoreRelease) -> str:
    """Return a sentence about a release's database, which is not the recorded one."""
    database = database_of(release)
    if database.external:
        return f"Secret {database.external.secret_name} names another database than before."
    server = server_of(snapshot.store.name, database) or Server(snapshot.store.name)
    return (
        f"The volume of the database was replaced: {server.claim} is another PersistentVolumeClaim."
    )


def database_volume(snapshot: Snapshot, server: Server | None = None) -> Manifest | None:
    """Return the volume claim of a server, by default the BookStore's own; None if it has none."""
    store = snapshot.store.name
    claim = find(snapshot, CLAIMS, (server or Server(store)).claim)
    return None if claim is None or controlled_by_another(claim, store) else claim


def is_whole(snapshot: Snapshot, restore: BookStoreRestore) -> bool:
    """Whether the server of a restore has the volume that the backup was restored into."""
    claim = database_volume(snapshot, Server(snapshot.store.name, restore.name))
    if claim is None or restore.status.phase is not RestorePhase.COMPLETE:
        return False
    return bool(claim["metadata"].get("uid") == restore.status.database)


def is_newer(snapshot: Snapshot, moment: datetime) -> bool:
    """Whether the volume of the current embedded database was created after a time."""
    server = current_server(snapshot)
    claim = database_volume(snapshot, server) if server else None
    created = (claim or {"metadata": {}})["metadata"].get("creationTimestamp")
    return bool(created) and parse_time(created) > moment
