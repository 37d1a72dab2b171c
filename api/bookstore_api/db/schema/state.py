"""What of the schema is applied to a database."""

from collections.abc import Iterable

from sqlalchemy import Connection, column, inspect, select, table

from bookstore_api.db.schema.tree import Tree

VERSIONS = table("alembic_version", column("version_num"))


def read_heads(connection: Connection) -> frozenset[str]:
    """Read the heads that Alembic recorded; none in a database that was never migrated."""
    if not inspect(connection).has_table(VERSIONS.name):
        return frozenset()
    return frozenset(connection.scalars(select(VERSIONS.c.version_num)))


def applied(tree: Tree, heads: Iterable[str]) -> tuple[str, ...]:
    """Every applied revision, sorted: the heads and all that they require."""
    return tuple(sorted(tree.closure(heads)))
