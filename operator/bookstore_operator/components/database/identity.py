"""Which database is there now, and whether it is the one that a release has migrated.

A record says what was done to the database of that time. A volume can be lost, or a Secret can name
another server, so a record is true only for the database whose identity it has.
"""

from datetime import datetime

from bookstore_operator.core import names
from bookstore_operator.core.kinds import CLAIMS
from bookstore_operator.core.lookup import controlled_by_another, find
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.release import BookStoreRelease


def database_identity(snapshot: Snapshot) -> str:
    """Return the identity of the current database; empty while it is unknown.

    Of an embedded database it is the UID of the volume claim; of an external one a digest of host,
    port and name in its Secret, so that another user or password is the same database.
    """
    external = snapshot.store.spec.database.external
    if external:
        return snapshot.databases.get(external.secret_name, "")
    claim = database_volume(snapshot)
    return str(claim["metadata"].get("uid", "")) if claim else ""


def replaced(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    """Whether a release has migrated another database than the current one."""
    current = database_identity(snapshot)
    return bool(current) and release.status.database not in {"", current}


def describe_replacement(snapshot: Snapshot) -> str:
    """Return a sentence about the current database, which is not the recorded one."""
    external = snapshot.store.spec.database.external
    if external:
        return f"Secret {external.secret_name} names another database than before."
    claim = names.database_claim(snapshot.store.name)
    return f"The volume of the database was replaced: {claim} is another PersistentVolumeClaim."


def database_volume(snapshot: Snapshot) -> Manifest | None:
    """Return the volume claim of the embedded database; None if there is none of its own."""
    store = snapshot.store.name
    claim = find(snapshot, CLAIMS, names.database_claim(store))
    return None if claim is None or controlled_by_another(claim, store) else claim


def is_newer(snapshot: Snapshot, moment: datetime) -> bool:
    """Whether the volume of the embedded database was created after a time."""
    claim = None if snapshot.store.spec.database.external else database_volume(snapshot)
    created = (claim or {"metadata": {}})["metadata"].get("creationTimestamp")
    return bool(created) and parse_time(created) > moment
