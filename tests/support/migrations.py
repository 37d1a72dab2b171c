"""Trees of migrations that newer code might bring, written to a folder."""

import asyncio
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bookstore_api.db.schema.migrate import Migration, migrate
from bookstore_api.db.schema.state import applied
from bookstore_api.db.schema.tree import SCRIPTS, Branch, load_tree
from bookstore_api.db.sessions import open_database
from bookstore_api.process.result import CommandResult
from bookstore_api.settings import Settings
from bookstore_api.shop.domains import self_test

# The heads of this code's own branches: newer revisions follow them.
(EXPAND_HEAD,) = load_tree().heads(Branch.EXPAND)
(CONTRACT_HEAD,) = load_tree().heads(Branch.CONTRACT)
# What is applied after `migrate --to expand`, and after `--to contract`, sorted.
EXPANDED = applied(load_tree(), [EXPAND_HEAD])
# What is known to be applied where the head of the expand branch is one of newer code.
KNOWN = applied(load_tree(), [CONTRACT_HEAD])
ALL = applied(load_tree(), [EXPAND_HEAD, CONTRACT_HEAD])
TEMPLATE = '''"""{id}."""

import sqlalchemy as sa
from alembic import op

from bookstore_api.db.schema import operations

revision = {id!r}
down_revision = {follows!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}


def upgrade() -> None:
    {body}


def downgrade() -> None:
    {undo}
'''


def after_expand(number: int, name: str) -> str:
    """Return the id of a revision, the first, second, … after the head of the expand branch."""
    return _numbered(EXPAND_HEAD, number, name)


def after_contract(number: int, name: str) -> str:
    """Return the same for the contract branch."""
    return _numbered(CONTRACT_HEAD, number, name)


def _numbered(head: str, number: int, name: str) -> str:
    return f"{int(head[:4]) + number:04}_{name}"


@dataclass(frozen=True)
class Script:
    """One migration script; `body` is its upgrade and `undo` its downgrade."""

    id: str
    follows: str | None = None
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    body: str = "pass"
    undo: str = "pass"
    branch: str = "expand"
    """The first part of its file's name."""

    def write(self, versions: Path) -> Path:
        """Write it into a folder of scripts; its file."""
        text = TEMPLATE.format(
            id=self.id,
            follows=self.follows,
            labels=self.labels or None,
            depends_on=self.depends_on or None,
            body=_indented(self.body),
            undo=_indented(self.undo),
        )
        path = versions / f"{self.branch}_{self.id}.py"
        path.write_text(text, encoding="utf-8")
        return path


def carry_out(url: str, request: Migration) -> CommandResult:
    """Migrate a database in this process."""

    async def run() -> CommandResult:
        database = open_database(Settings.model_validate({"database_url": url}))
        try:
            return await migrate(database, request, self_test)
        finally:
            await database.close()

    return asyncio.run(run())


def newer_code(folder: Path, *scripts: Script, include_current: bool = True) -> Path:
    """Make a folder of migrations: those of this code, if `include_current`, and more."""
    target = folder / f"migrations-{len(list(folder.iterdir()))}"
    leave_out = shutil.ignore_patterns("__pycache__", *(() if include_current else ("*_0*.py",)))
    shutil.copytree(SCRIPTS, target, ignore=leave_out)
    for script in scripts:
        script.write(target / "versions")
    return target


def only(scripts: Path, ids: Iterable[str], folder: Path) -> Path:
    """Make a folder of migrations with these of another's: the code as it was at some time."""
    target = folder / f"migrations-{len(list(folder.iterdir()))}"
    wanted = set(ids)
    shutil.copytree(scripts, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (target / "versions").glob("*.py"):
        if path.stem.partition("_")[2] not in wanted:
            path.unlink()
    return target


def _indented(body: str) -> str:
    return "\n    ".join(body.strip().splitlines())


def _expand(id_: str, follows: str, body: str, undo: str) -> Script:
    return Script(id_, follows, body=body, undo=undo)


def _contract(id_: str, follows: str, depends_on: str, body: str, undo: str) -> Script:
    return Script(id_, follows, depends_on=(depends_on,), body=body, undo=undo, branch="contract")


YEARS_OF_RELEASES = (
    _expand(
        after_expand(1, "pages"),
        EXPAND_HEAD,
        'op.add_column("books", sa.Column("pages", sa.BigInteger(), nullable=True))',
        'op.drop_column("books", "pages")',
    ),
    _expand(
        after_expand(2, "shelves"),
        after_expand(1, "pages"),
        """
op.create_table(
    "shelves",
    sa.Column("id", sa.Uuid(), nullable=False),
    sa.Column("book_id", sa.Uuid(), nullable=False),
    sa.Column("label", sa.Text(), server_default="A", nullable=False),
    sa.PrimaryKeyConstraint("id", name="pk_shelves"),
    sa.ForeignKeyConstraint(
        ["book_id"], ["books.id"], name="fk_shelves_book_id_books", ondelete="CASCADE"
    ),
    sa.CheckConstraint("label <> ''", name=op.f("ck_shelves_label")),
)
op.create_index("ix_shelves_book_id", "shelves", ["book_id"])
""",
        'op.drop_table("shelves")',
    ),
    _expand(
        after_expand(3, "pages_filled"),
        after_expand(2, "shelves"),
        'operations.backfill("books", "pages = length(title)", where="pages IS NULL")',
        "pass  # what was filled in may stay",
    ),
    _expand(
        after_expand(4, "pages_index"),
        after_expand(3, "pages_filled"),
        """
operations.create_index("ix_books_pages", "books", ["pages"], where="pages > 10")
operations.create_index("uq_books_currency_isbn", "books", ["currency", "isbn"], unique=True)
""",
        """
operations.drop_index("uq_books_currency_isbn", "books")
operations.drop_index("ix_books_pages", "books")
""",
    ),
    _expand(
        after_expand(5, "language"),
        after_expand(4, "pages_index"),
        """
op.add_column("books", sa.Column("language", sa.Text(), server_default="en", nullable=False))
""",
        'op.drop_column("books", "language")',
    ),
    _contract(
        after_contract(1, "pages_needed"),
        CONTRACT_HEAD,
        after_expand(3, "pages_filled"),
        """
with op.batch_alter_table("books") as books:
    books.alter_column("pages", existing_type=sa.BigInteger(), nullable=False)
""",
        """
with op.batch_alter_table("books") as books:
    books.alter_column("pages", existing_type=sa.BigInteger(), nullable=True)
""",
    ),
    _contract(
        after_contract(2, "no_published_on"),
        after_contract(1, "pages_needed"),
        after_expand(3, "pages_filled"),
        'op.drop_column("books", "published_on")',
        'op.add_column("books", sa.Column("published_on", sa.Date(), nullable=True))',
    ),
    _contract(
        after_contract(3, "no_currency_index"),
        after_contract(2, "no_published_on"),
        after_expand(5, "language"),
        'operations.drop_index("uq_books_currency_isbn", "books")',
        """
operations.create_index("uq_books_currency_isbn", "books", ["currency", "isbn"], unique=True)
""",
    ),
)
"""Several releases' worth: tables, columns, rows filled in, indexes built while others write."""
