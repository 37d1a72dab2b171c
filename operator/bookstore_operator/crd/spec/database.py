"""`spec.database`: the database that stores the books."""

from pydantic import Field

from bookstore_operator.crd.base import (
    DataKey,
    ObjectName,
    Part,
    embedded_or_external,
    group,
    rules,
)
from bookstore_operator.crd.spec.resources import Resources, default_resources
from bookstore_operator.crd.spec.storage import Storage


class EmbeddedDatabase(Part):
    """A PostgreSQL server for this BookStore. For development and demos: it has no failover."""

    storage: Storage = group(Storage, "Volume that the data is stored on.")
    resources: Resources = group(
        default_resources("100m", "256Mi", "1Gi"), "CPU and memory of the server."
    )
    restored_from: str | None = Field(
        None,
        max_length=40,
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        description="BookStoreRestore whose server is used. A change is a release that is "
        "approved by a person, because what was written to the database before stays in it. That "
        "database is stopped once nobody can be sent back to it, and kept.",
    )


class ExternalDatabase(Part):
    """A PostgreSQL database outside the operator's control."""

    secret_name: ObjectName = Field(
        description="Secret in the same namespace that contains the URI of the database."
    )
    key: DataKey = Field("uri", description="Key of the Secret with the URI (`postgresql://…`).")
    direct_key: DataKey | None = Field(
        None,
        description="Key of the Secret with a URI that bypasses the connection pooler. Migrations "
        "and backups use it if it is set.",
    )


class Database(
    Part,
    json_schema_extra=rules(
        embedded_or_external("database"),
        (
            "has(self.external) == has(oldSelf.external)",
            "a BookStore can't be changed between an embedded and an external database, because "
            "its data would not be moved: create another BookStore",
        ),
    ),
):
    """Database that stores the books. Set exactly one of the fields."""

    embedded: EmbeddedDatabase | None = Field(
        None, description="PostgreSQL server that the operator runs for this BookStore."
    )
    external: ExternalDatabase | None = Field(
        None, description="PostgreSQL database outside the operator's control."
    )


def embedded_database(restored_from: str | None = None) -> Database:
    """Return the default: an embedded server; or that of a BookStoreRestore."""
    embedded = EmbeddedDatabase(restored_from=restored_from) if restored_from else None
    return Database(embedded=embedded or EmbeddedDatabase())
