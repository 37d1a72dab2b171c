"""Alembic's entry: run the migrations on the connection that bookstore_api.db.schema hands over."""

from alembic import context
from sqlalchemy import Connection

connection = context.config.attributes["connection"]
assert isinstance(connection, Connection)  # noqa: S101 - there is no other caller
context.configure(
    connection=connection,
    target_metadata=context.config.attributes["metadata"],  # it names constraints
    # So that a revision that fails leaves those before it, and one can run outside of any
    # transaction. SQLite's are all in the one transaction that holds its lock.
    transaction_per_migration=connection.dialect.name != "sqlite",
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
