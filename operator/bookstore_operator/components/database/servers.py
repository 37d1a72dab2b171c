"""Which databases there are: the BookStore's own server, those of restores, an external one.

A release names its database in its intent. So during a change of database each color has its own,
and what is asked about a release is asked of the database that this release names.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bookstore_operator.core import history, names
from bookstore_operator.core.labels import (
    RESTORE_LABEL,
    Component,
    data_labels,
    database_selector,
    labels,
    selector,
)
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.spec.database import Database, embedded_database


@dataclass(frozen=True, slots=True)
class Server:
    """The names and labels of an embedded database: the BookStore's own, or that of a restore."""

    store: str
    restore: str = ""
    """The BookStoreRestore that has made it; empty for the BookStore's own."""

    @property
    def name(self) -> str:
        """The name of its StatefulSet, Service, Secret and policy."""
        return names.restored_database(self.restore) if self.restore else names.database(self.store)

    @property
    def claim(self) -> str:
        """The name of its volume claim."""
        return names.server_claim(self.name)

    @property
    def component(self) -> Component:
        """The component label of its objects."""
        return Component.RESTORED_DATABASE if self.restore else Component.DATABASE

    @property
    def own_labels(self) -> dict[str, str]:
        """The labels that only its objects have."""
        return {RESTORE_LABEL: self.restore} if self.restore else {}

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its objects and Pods."""
        return {**labels(self.store, self.component), **self.own_labels}

    @property
    def data_labels(self) -> dict[str, str]:
        """The labels of its volume claim and its Secret, which outlive it."""
        return {**data_labels(self.store, self.component), **self.own_labels}

    @property
    def selector(self) -> dict[str, str]:
        """The selector of its Pods."""
        return {**selector(self.store, self.component), **self.own_labels}

    @property
    def set_selector(self) -> dict[str, str]:
        """The selector of its StatefulSet, which can't be changed."""
        return {**database_selector(self.store, self.component), **self.own_labels}


def server_of(store: str, database: Database) -> Server | None:
    """Return the server that a spec or an intent names; None for an external database."""
    if database.embedded is None:
        return None
    return Server(store, database.embedded.restored_from or "")


def database_of(release: BookStoreRelease) -> Database:
    """Return the database that a release's intent names."""
    recorded = release.spec.intent.get("database")
    return Database.model_validate(recorded) if recorded else embedded_database()


def current_database(snapshot: Snapshot) -> Database:
    """Return the database that is worked with: of the release in progress, or of what serves."""
    newest, active = history.newest(snapshot), history.active(snapshot)
    for release in (newest if newest and newest.in_flight else None, active):
        if release:
            return database_of(release)
    return snapshot.store.spec.database


def current_server(snapshot: Snapshot) -> Server | None:
    """Return the server that is worked with; None for an external database."""
    return server_of(snapshot.store.name, current_database(snapshot))


def serving_database(snapshot: Snapshot) -> Database:
    """Return the database that users write to, which backups are of; else the spec's."""
    active = history.active(snapshot)
    return database_of(active) if active else snapshot.store.spec.database


def used_servers(snapshot: Snapshot) -> Iterator[Server]:
    """Yield the servers that must run: of the spec, and of each release that has Pods, or may."""
    databases = [snapshot.store.spec.database]
    databases += [database_of(release) for release in snapshot.releases if may_run(release)]
    servers = (server_of(snapshot.store.name, database) for database in databases)
    yield from dict.fromkeys(server for server in servers if server)


def may_run(release: BookStoreRelease) -> bool:
    """Whether a release has Pods, or gets some: it is in progress, serves, or is kept warm."""
    warm = bool(release.status.promoted_at and not release.status.demoted_at)
    return release.in_flight or warm


def changes_database(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    """Whether a release names another database than what serves."""
    active = history.active(snapshot)
    if active is None or active.name == release.name:
        return False
    store = snapshot.store.name
    wanted, serving = database_of(release), database_of(active)
    if wanted.external is None:
        return server_of(store, wanted) != server_of(store, serving)
    if serving.external is None:
        return True
    if (wanted.external.secret_name, wanted.external.key) == (
        serving.external.secret_name,
        serving.external.key,
    ):
        return False  # another way to the same database at most: directKey
    known = snapshot.databases.get(wanted.external.secret_name, "")
    return not known or known != active.status.database
