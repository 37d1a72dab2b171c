"""P8, migration idempotency: up and down, twice, from any revision to any, gives the same schema.

Upwards, a database is migrated by the code of the time: the command, with the revisions that there
were. Downwards by `--down-to`. After each move the schema is compared with that of a database
which came there directly, and what is recorded as applied with what was asked for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bookstore_api.db.schema import operations
from bookstore_api.db.schema.migrate import Migration
from bookstore_api.db.schema.steps import Direction
from bookstore_api.db.schema.tree import BASE, SCRIPTS, Branch, Tree, load_tree
from tests.support.bookstore import execute
from tests.support.examples import scaled
from tests.support.migrations import (
    YEARS_OF_RELEASES,
    after_contract,
    after_expand,
    carry_out,
    newer_code,
    only,
)
from tests.support.postgres import Postgres
from tests.support.schema_dump import Schema, schema_of

pytestmark = pytest.mark.invariant

State = frozenset[str]
Blank = Callable[[str], str]
"""Make the database of a name empty, whatever was in it; its URI."""
BOOKS = 5
HEAD = after_contract(3, "no_currency_index")  # of those made up, and it requires them all


@dataclass
class World:
    """A tree of migrations, and databases to walk through it."""

    scripts: Path
    folder: Path
    blank: Blank
    known: dict[State, Schema] = field(default_factory=dict)
    code: dict[State, Path] = field(default_factory=dict)

    @property
    def tree(self) -> Tree:
        return load_tree(self.scripts)

    def code_with(self, state: State) -> Path:
        """Return the migrations of the code that brought just these."""
        if state not in self.code:
            self.code[state] = only(self.scripts, state, self.folder)
        return self.code[state]

    def direct(self, state: State) -> Schema:
        """Return the schema of a database that was brought there at once."""
        if state not in self.known:
            url = self.blank("direct")
            self.climb(url, state)
            self.known[state] = schema_of(url)
        return self.known[state]

    def climb(self, url: str, state: State) -> None:
        """Bring a database up, first by one branch and then by the other."""
        for branch in Branch:
            outcome = carry_out(url, Migration(branch, 30, self.code_with(state)))
            assert outcome.exit_code == 0, outcome
        assert frozenset(outcome.schema_after or ()) == state


class Walk:
    """One database on its way."""

    def __init__(self, world: World) -> None:
        self.world, self.url = world, world.blank("walk")
        self.state: State = frozenset()
        self.before: State = frozenset()

    def up(self, revision: str) -> None:
        """Apply a revision and all that it requires."""
        self.before = self.state
        self.state |= self.world.tree.closure([revision])
        self.world.climb(self.url, self.state)
        self.check()

    def down(self, revision: str) -> None:
        """Revert all but a revision and what it requires."""
        stay = frozenset() if revision == BASE else self.world.tree.closure([revision])
        outcome = carry_out(
            self.url, Migration(revision, 30, self.world.scripts, direction=Direction.DOWN)
        )
        assert outcome.code == ("nothing-to-do" if stay == self.state else "migrated"), outcome
        assert frozenset(outcome.schema_after or ()) == stay
        self.before, self.state = self.state, stay
        self.check()

    def check(self) -> None:
        assert schema_of(self.url) == self.world.direct(self.state)
        if "0001_books" in self.state:
            self.check_rows()

    def check_rows(self) -> None:
        """Rows stay, whatever is done to their table; what is filled in is right."""
        if self.state == {"0001_books"}:
            execute(self.url, "DELETE FROM books")
            for number in range(BOOKS):
                execute(self.url, insert_book(number))
        if after_expand(2, "shelves") in self.state:
            missing = "SELECT id, id FROM books WHERE id NOT IN (SELECT book_id FROM shelves)"
            if after_expand(2, "shelves") not in self.before:
                execute(self.url, f"INSERT INTO shelves (id, book_id) {missing}")
            assert execute(self.url, missing) == []
        if after_expand(3, "pages_filled") in self.state:
            wrong = "SELECT title FROM books WHERE pages IS NULL OR pages <> length(title)"
            assert execute(self.url, wrong) == []

    @property
    def ways_down(self) -> list[str]:
        return [BASE, *sorted(self.state)]


def insert_book(number: int) -> str:
    values = (
        f"'{UUID(int=number)}', '{number:013}', 'Book{'!' * number}', 'b', '[]', 1, 'EUR', 1, "
        "'2026-01-01 00:00:00', '2026-01-01 00:00:00'"
    )
    columns = "id, isbn, title, sort_title, authors, price_minor, currency, version"
    return f"INSERT INTO books ({columns}, created_at, updated_at) VALUES ({values})"  # noqa: S608


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def blank(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Blank]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("databases")
        yield lambda name: f"sqlite:///{folder / f'{name}-{len(list(folder.iterdir()))}.db'}"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    databases = {name: postgres.create_database() for name in ("direct", "walk")}

    def emptied(name: str) -> str:
        execute(databases[name], "DROP SCHEMA public CASCADE")
        execute(databases[name], "CREATE SCHEMA public")
        return databases[name]

    yield emptied
    for url in databases.values():
        postgres.drop_database(url)


@pytest.fixture(scope="module")
def real(blank: Blank, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The migrations of this code."""
    return World(SCRIPTS, tmp_path_factory.mktemp("real"), blank)


@pytest.fixture(scope="module")
def made_up(blank: Blank, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Those that it may have in some years."""
    folder = tmp_path_factory.mktemp("made-up")
    return World(newer_code(folder, *YEARS_OF_RELEASES), folder, blank)


@contextmanager
def small_batches() -> Iterator[None]:
    """Fill in these few rows in several transactions."""
    with patch.object(operations, "BATCH_ROWS", 2):
        yield


def test_from_each_revision_of_this_code_to_each(real: World) -> None:
    places = [BASE, *sorted(real.tree.revisions)]
    for start in places:
        for end in places:
            walk = Walk(real)
            for place in (start, end):
                if place in walk.ways_down:
                    walk.down(place)
                    walk.down(place)
                else:
                    walk.up(place)
                    walk.up(place)


@settings(max_examples=scaled(5), phases=[Phase.generate])  # short enough as they are
@given(data=st.data())
def test_any_walk_ends_where_the_direct_way_does(made_up: World, data: st.DataObject) -> None:
    walk = Walk(made_up)
    walk.up("0001_books")
    every = st.sampled_from(sorted(made_up.tree.revisions))
    with small_batches():
        for _ in range(data.draw(st.integers(1, 4), label="moves")):
            revision = data.draw(every, label="up to")
            for _ in range(data.draw(st.integers(1, 2), label="times")):
                walk.up(revision)
            revision = data.draw(st.sampled_from(walk.ways_down), label="down to")
            for _ in range(data.draw(st.integers(1, 2), label="times")):
                walk.down(revision)
        walk.up(HEAD)


def test_from_the_head_down_to_each_and_up_again_twice(made_up: World) -> None:
    walk = Walk(made_up)
    walk.up("0001_books")
    walk.up(HEAD)
    assert walk.state == made_up.tree.revisions.keys()
    for revision in [*made_up.tree.pending(Branch.CONTRACT, ())][::-1]:
        walk.down(revision.id)
        walk.up(HEAD)
    for _ in range(2):
        walk.down(BASE)
        walk.up(HEAD)
