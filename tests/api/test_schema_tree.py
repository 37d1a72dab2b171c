"""The rules of the schema's two branches, and that the tables are what the migrations make."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from bookstore_api.database import open_database
from bookstore_api.orm import Base
from bookstore_api.schema.tree import Branch, Tree, broken_rules, load_tree
from bookstore_api.settings import Settings
from tests.support.migrations import Script, newer_code


def test_the_migrations_keep_the_rules() -> None:
    assert broken_rules(load_tree()) == []


EXPAND = Script("e1", labels=("expand",))
CONTRACT = Script("c1", labels=("contract",), depends_on=("e1",))


def tree_of(folder: Path, *scripts: Script) -> Tree:
    return load_tree(newer_code(folder, *scripts, known=False))


@pytest.mark.parametrize(
    ("scripts", "complaint"),
    [
        (
            (EXPAND, CONTRACT, Script("e2", follows="e1", depends_on=("c1",))),
            "e2 (expand) requires c1",
        ),
        (
            (
                EXPAND,
                CONTRACT,
                Script("c2", follows="c1", depends_on=("e1",)),
                Script("e2", follows="e1", depends_on=("c2",)),
                Script("e3", follows="e2"),
            ),
            "e3 (expand) requires c1, c2",
        ),
        ((EXPAND, Script("c1", labels=("contract",))), "c1 (contract) must depend on"),
        ((EXPAND, CONTRACT, Script("c2", follows="c1")), "c2 (contract) must depend on"),
        ((EXPAND, CONTRACT, Script("x")), "x must be on one branch"),
        (
            (EXPAND, CONTRACT, Script("e2", follows="e1"), Script("e3", follows="e1")),
            "expand has 2 heads",
        ),
        ((EXPAND,), "contract has 0 heads"),
        ((EXPAND, CONTRACT, Script("e" * 33, follows="e1")), "longer than 32"),
    ],
)
def test_each_broken_rule_is_found(
    tmp_path: Path, scripts: tuple[Script, ...], complaint: str
) -> None:
    broken = broken_rules(tree_of(tmp_path, *scripts))
    assert any(complaint in sentence for sentence in broken), broken


def test_a_good_tree_breaks_no_rule(tmp_path: Path) -> None:
    more = Script("e2", follows="e1"), Script("c2", follows="c1", depends_on=("e2",))
    tree = tree_of(tmp_path, EXPAND, CONTRACT, *more)
    assert broken_rules(tree) == []
    pending = [revision.id for revision in tree.pending(Branch.EXPAND, ())]
    assert pending == ["e1", "e2"]
    assert [revision.id for revision in tree.pending(Branch.CONTRACT, ("e1",))] == [
        "c1",
        "e2",
        "c2",
    ]
    assert tree.closure(["c1"]) == {"c1", "e1"}
    assert tree.closure(["c2", "from-the-future"]) == {"c1", "c2", "e1", "e2", "from-the-future"}


def test_the_migrations_make_the_tables_that_the_code_expects(settings: Settings) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async def compare() -> list[object]:
        database = open_database(settings)
        try:
            async with database.health_connection() as connection:
                return await connection.run_sync(differences)
        finally:
            await database.close()

    assert asyncio.run(compare()) == []
