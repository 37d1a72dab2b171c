"""`spec.database`: where the books are kept."""

from __future__ import annotations

from pydantic import Field

from bookstore_operator.crd.base import (
    DataKey,
    ObjectName,
    Part,
    group,
    rules,
)
from bookstore_operator.crd.spec.resources import ResourceAmounts, Resources
from bookstore_operator.crd.spec.storage import Storage


def _database_resources() -> Resources:
    return Resources(
        requests=ResourceAmounts(cpu="100m", memory="256Mi"),
        limits=ResourceAmounts(memory="1Gi"),
    )


class EmbeddedDatabase(Part):
    """One PostgreSQL server of the BookStore's own, for development and demos: no failover."""

    storage: Storage = group(Storage, "Where the data is kept.")
    resources: Resources = group(_database_resources, "CPU and memory of the server.")


class ExternalDatabase(Part):
    """A PostgreSQL database that someone else runs, told by a Secret of the same namespace."""

    secret_name: ObjectName = Field(description="The Secret with the database's URI.")
    key: DataKey = Field("uri", description="The key of the URI (`postgresql://…`).")
    direct_key: DataKey | None = Field(
        None,
        description="The key of a URI that bypasses a connection pooler; migrations prefer it.",
    )


class Database(
    Part,
    json_schema_extra=rules(
        (
            "has(self.embedded) != has(self.external)",
            "give one of database.embedded and database.external",
        ),
        (
            "has(self.external) == has(oldSelf.external)",
            "a BookStore can't move between an embedded and an external database, "
            "its books would stay behind: create another BookStore",
        ),
    ),
):
    """Where the books are kept: exactly one of the two."""

    embedded: EmbeddedDatabase | None = Field(
        None, description="One PostgreSQL server of the BookStore's own."
    )
    external: ExternalDatabase | None = Field(
        None, description="A PostgreSQL database that someone else runs."
    )


def embedded_database() -> Database:
    """Return the default: a server of the BookStore's own."""
    return Database(embedded=EmbeddedDatabase())
