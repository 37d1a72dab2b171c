"""The tree of revisions, and that the tables are what the migrations make."""

import asyncio
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from bookstore_api.db.orm import Base
from bookstore_api.db.schema.tree import Branch, load_tree
from bookstore_api.db.sessions import open_database
from bookstore_api.settings import Settings
from bookstore_api.shop.domains import DOMAINS
from tests.support.migrations import Script, newer_code

EXPAND = Script("0001_e", labels=("expand",))
OTHERS = {"book_categories", "cursor_keys"}  # a table of links, and one of no domain
# What only one of the two databases has, and SQLAlchemy has no words for.
SEARCH = ("book_search", "ix_book_details_document")
CONTRACT = Script("0001_c", labels=("contract",), depends_on=("0001_e",), branch="contract")


def test_the_order_of_what_is_pending(tmp_path: Path) -> None:
    more = (
        Script("0002_e", follows="0001_e"),
        Script("0002_c", follows="0001_c", depends_on=("0002_e",), branch="contract"),
    )
    tree = load_tree(newer_code(tmp_path, EXPAND, CONTRACT, *more, include_current=False))

    def pending(branch: Branch, *applied: str) -> list[str]:
        return [revision.id for revision in tree.pending(branch, applied)]

    assert pending(Branch.EXPAND) == ["0001_e", "0002_e"]
    assert pending(Branch.CONTRACT, "0001_e") == ["0002_e", "0001_c", "0002_c"]
    assert tree.closure(["0001_c"]) == {"0001_c", "0001_e"}
    every = {"0001_c", "0002_c", "0001_e", "0002_e"}
    assert tree.closure(["0002_c", "from-the-future"]) == every | {"from-the-future"}
    assert [revision.id for revision in tree.beyond("0001_e", every)] == [
        "0002_c",
        "0002_e",
        "0001_c",
    ]
    assert [revision.id for revision in tree.beyond("base", ["0001_e"])] == ["0001_e"]


def test_the_migrations_make_the_tables_that_the_code_expects(settings: Settings) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        tables = {table.__tablename__ for domain in DOMAINS for table in domain.tables}
        assert tables | OTHERS == set(Base.metadata.tables)
        return [
            difference
            for difference in compare_metadata(context, Base.metadata)
            if not getattr(difference[-1], "name", "").startswith(SEARCH)
        ]

    async def compare() -> list[object]:
        database = open_database(settings)
        try:
            async with database.health_connection() as connection:
                return await connection.run_sync(differences)
        finally:
            await database.close()

    assert asyncio.run(compare()) == []
