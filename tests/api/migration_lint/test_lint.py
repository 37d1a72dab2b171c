"""The rules that migrations keep, and that the tables are what the migrations make."""

import subprocess
import sys
from pathlib import Path

import pytest

from bookstore_api.db.schema.tree import SCRIPTS, load_tree
from migration_lint.lint import SquawkError, broken_rules
from tests.support.migrations import (
    EXPAND_HEAD,
    YEARS_OF_RELEASES,
    Script,
    after_contract,
    after_expand,
    newer_code,
)

EXPAND = Script("0001_e", labels=("expand",))
CONTRACT = Script("0001_c", labels=("contract",), depends_on=("0001_e",), branch="contract")


def expand(id_: str, body: str = "pass", undo: str = 'op.execute("SELECT 1")') -> Script:
    return Script(id_, follows="0001_e", body=body, undo=undo)


def contract(id_: str, body: str = "pass") -> Script:
    undo = 'op.execute("SELECT 1")'
    return Script(id_, "0001_c", depends_on=("0001_e",), body=body, undo=undo, branch="contract")


def broken(folder: Path, *scripts: Script) -> list[str]:
    return broken_rules(newer_code(folder, *scripts, include_current=False))


def test_the_migrations_keep_the_rules() -> None:
    assert broken_rules(SCRIPTS) == []


def test_good_migrations_break_no_rule(tmp_path: Path) -> None:
    needed = (
        "# squawk: allow adding-not-nullable-field: 0003 has made sure that none is NULL\n"
        + YEARS_OF_RELEASES[5].body
    )
    good = [
        Script(**{**vars(script), "body": needed})
        if script.id == after_contract(1, "pages_needed")
        else script
        for script in YEARS_OF_RELEASES
    ]
    assert broken_rules(newer_code(tmp_path, *good)) == []


BROKEN_SCRIPTS = [
    ((EXPAND,), "contract has 0 heads"),
    ((Script("0002_e", labels=("expand",)),), "0002_e must have the number 0001"),
    (
        (EXPAND, Script("0001_c", labels=("contract",), branch="contract")),
        "0001_c (contract) must depend on",
    ),
    (
        (EXPAND, Script("0001_e", follows="0001_e", branch="contract")),
        "0001_e is the id of 2 scripts",
    ),
]
# Each beside the first revision of both branches.
BROKEN_REVISIONS = [
    (
        (Script("0002_e", "0001_e", depends_on=("0001_c",)),),
        "0002_e (expand) requires 0001_c (contract)",
    ),
    (
        (
            contract("0002_c"),
            Script("0002_e", "0001_e", depends_on=("0002_c",)),
            Script("0003_e", "0002_e"),
        ),
        "0003_e (expand) requires 0001_c, 0002_c (contract)",
    ),
    (
        (Script("0002_e", "0001_e", depends_on=("0001_e",)),),
        "0002_e (expand) depends on others",
    ),
    (
        (Script("0002_c", "0001_c", branch="contract"),),
        "0002_c (contract) must depend on",
    ),
    ((Script("0001_x"),), "0001_x must be on one branch"),
    ((Script("0001_x"),), "0001_x: the first of a branch has its label"),
    (
        (Script("0002_e", "0001_e", labels=("more",)),),
        "0002_e: the first of a branch has its label, and no other",
    ),
    ((expand("0002_e"), expand("0002_f")), "expand has 2 heads"),
    ((expand("0002_" + "e" * 28),), "longer than 32"),
    ((expand("two"),), "two: an id is four digits and a name"),
    ((expand("0003_e"),), "0003_e must have the number 0002"),
    ((Script("0002_e", "0001_nowhere"),), "Alembic can't make a tree of the revisions: "),
    (
        (Script("0002_e", "0001_e", branch="extend"),),
        "extend_0002_e.py must be named expand_0002_e.py",
    ),
    (
        (expand("0002_e", undo="raise NotImplementedError"),),
        "downgrade() must work, not raise",
    ),
    (
        (expand("0002_e", 'op.create_table("t")', undo="pass"),),
        "downgrade() must undo what upgrade() does",
    ),
]
CONSTANT = "op.execute() takes a constant text"
OUTSIDE = "outside of a transaction use bookstore_api.db.schema.operations"
BROKEN_UPGRADES = [
    (
        "from bookstore_api.shop.catalog.models import Book",
        "imports bookstore_api.shop.catalog.models, which will change",
    ),
    ('op.execute(f"SELECT {revision}")', CONSTANT),
    ('op.execute(sa.text("SELECT " + revision))', CONSTANT),
    ('op.create_index("i", "t", ["c"], postgresql_concurrently=True)', OUTSIDE),
    ('op.execute("create index concurrently i on t")', OUTSIDE),
    ("with op.get_context().autocommit_block(): pass", OUTSIDE),
    (
        'op.execute("SELECT 1")\noperations.create_index("i", "t", ["c"])',
        "make it two revisions, as a kill between them would leave half",
    ),
    ('op.get_bind().exec_driver_sql("SELECT 1")', "0002_e can't be written as SQL"),
]
BROKEN = [
    *BROKEN_SCRIPTS,
    *(((EXPAND, CONTRACT, *scripts), complaint) for scripts, complaint in BROKEN_REVISIONS),
    *(((EXPAND, CONTRACT, expand("0002_e", body)), why) for body, why in BROKEN_UPGRADES),
]


@pytest.mark.parametrize(("scripts", "complaint"), BROKEN)
def test_each_broken_rule_is_found(
    tmp_path: Path, scripts: tuple[Script, ...], complaint: str
) -> None:
    sentences = broken(tmp_path, *scripts)
    assert any(complaint in sentence for sentence in sentences), sentences


def test_a_script_that_is_no_python_is_found(tmp_path: Path) -> None:
    scripts = newer_code(tmp_path)
    (scripts / "versions" / "expand_0002_e.py").write_text("revision =", encoding="utf-8")
    (sentence,) = broken_rules(scripts)
    assert sentence.startswith("expand_0002_e.py is no Python")


def test_a_script_has_its_two_functions_and_no_other(tmp_path: Path) -> None:
    scripts = newer_code(tmp_path, expand("0002_e"), include_current=True)
    path = scripts / "versions" / "expand_0002_e.py"
    text = path.read_text(encoding="utf-8")
    for wrong in (text + "\n\ndef helper(): ...\n", text.partition("def downgrade")[0]):
        path.write_text(wrong, encoding="utf-8")
        load_tree.cache_clear()
        assert any("and no other function" in line for line in broken_rules(scripts))


REJECTED_EVERYWHERE = [
    ('op.add_column("books", sa.Column("p", sa.BigInteger(), nullable=False))', "required-field"),
    ('op.create_index("i", "books", ["title"])', "require-concurrent-index-creation"),
    ('op.drop_index("ix_books_sort_title_id", "books")', "require-concurrent-index-deletion"),
    ('op.alter_column("books", "title", new_column_name="name")', "renaming-column"),
    ('op.rename_table("books", "volumes")', "renaming-table"),
    ('op.alter_column("books", "title", type_=sa.Text())', "changing-column-type"),
    ('op.alter_column("books", "published_on", nullable=False)', "adding-not-nullable-field"),
    ('op.create_check_constraint("c", "books", "version > 0")', "constraint-missing-not-valid"),
    ('op.create_unique_constraint("u", "books", ["title"])', "disallowed-unique-constraint"),
    ('op.create_foreign_key("f", "books", "books", ["id"], ["id"])', "adding-foreign-key"),
    ('op.execute("SELEC 1")', "syntax-error"),
]
REJECTED_BEFORE_THE_SWITCH = [
    ('op.drop_column("books", "authors")', "ban-drop-column"),
    ('op.drop_table("books")', "ban-drop-table"),
    ('op.drop_constraint("uq_books_isbn", "books")', "ban-drop-constraint"),
]


@pytest.mark.parametrize(("statement", "rule"), REJECTED_EVERYWHERE + REJECTED_BEFORE_THE_SWITCH)
def test_unsafe_ddl_is_rejected_in_expand(tmp_path: Path, statement: str, rule: str) -> None:
    sentences = broken(tmp_path, EXPAND, CONTRACT, expand("0002_e", statement))
    assert any(sentence.startswith("0002_e: ") and rule in sentence for sentence in sentences), (
        sentences
    )


def test_in_contract_what_only_older_code_needed_may_be_dropped_and_nothing_else(
    tmp_path: Path,
) -> None:
    def sentences_about(statement: str) -> list[str]:
        return broken(tmp_path, EXPAND, CONTRACT, contract("0002_c", statement))

    for statement, _ in REJECTED_BEFORE_THE_SWITCH:
        assert sentences_about(statement) == []
    for statement, rule in REJECTED_EVERYWHERE:
        assert any(rule in sentence for sentence in sentences_about(statement)), statement


def test_what_is_allowed_in_one_revision_needs_a_reason(tmp_path: Path) -> None:
    statement = 'op.alter_column("books", "published_on", nullable=False)'

    def sentences_about(comment: str) -> list[str]:
        return broken(tmp_path, EXPAND, CONTRACT, contract("0002_c", f"{comment}\n{statement}"))

    assert (
        sentences_about("# squawk: allow adding-not-nullable-field: a validated check says so")
        == []
    )
    assert len(sentences_about("# squawk: allow adding-not-nullable-field:")) == 1
    assert len(sentences_about("# squawk: allow renaming-column: it is another rule")) == 1


def test_a_tree_that_squawk_can_not_be_asked_about_passes_not(tmp_path: Path) -> None:
    (tmp_path / "expand.toml").write_text('excluded_rules = ["no-such-rule"]', encoding="utf-8")
    with pytest.raises(SquawkError, match="no-such-rule"):
        broken_rules(SCRIPTS, tmp_path)


def test_the_command_prints_each_broken_rule_and_fails(tmp_path: Path) -> None:
    def lint(scripts: Path) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "migration_lint", "--scripts", scripts],
            check=False,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    assert lint(SCRIPTS) == (0, "")
    unsafe = Script(
        after_expand(1, "e"), EXPAND_HEAD, body='op.drop_table("books")', undo="op.f('x')"
    )
    code, output = lint(newer_code(tmp_path, unsafe))
    assert code == 1
    assert f"{after_expand(1, 'e')}: ban-drop-table: " in output
