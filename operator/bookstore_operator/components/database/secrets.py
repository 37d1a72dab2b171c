"""The Secret and keys of the database's URIs, and whether the embedded one's password is lost."""

from bookstore_operator.core import names
from bookstore_operator.core.kinds import CLAIMS
from bookstore_operator.core.lookup import controlled_by_another, find
from bookstore_operator.core.secret_values import Content
from bookstore_operator.core.secrets import UsedKeys
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.bookstore import BookStore


def database_keys(store: BookStore) -> UsedKeys:
    """Return the Secret and keys of the database's URIs."""
    external = store.spec.database.external
    if external is None:
        return {names.database(store.name): {"uri": Content.DATABASE_URI}}
    keys = [key for key in (external.key, external.direct_key) if key]
    return {external.secret_name: dict.fromkeys(keys, Content.DATABASE_URI)}


def password_lost(snapshot: Snapshot) -> bool:
    """Whether the embedded database has a volume but no Secret with its password."""
    store = snapshot.store.name
    volume = find(snapshot, CLAIMS, names.database_claim(store))
    if volume is None or controlled_by_another(volume, store):
        return False
    return names.database(store) not in snapshot.secrets
