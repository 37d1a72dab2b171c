"""P8, migration idempotency: killed at drawn points, many at once, each revision is applied once.

Each migration is a process that runs the command of newer code. The points are what the server is
seen busy with for it, or a time. How often a revision was applied is counted by the database: by
a trigger on Alembic's own table, and by rows that the revisions write.
"""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bookstore_api.db.schema.migrate import Migration
from bookstore_api.db.schema.tree import Branch, load_tree
from tests.support.bookstore import apply_schema, environment, execute, wait_for, wait_until
from tests.support.examples import scaled
from tests.support.migrations import (
    CONTRACT_HEAD,
    EXPAND_HEAD,
    Script,
    after_contract,
    after_expand,
    carry_out,
)
from tests.support.migrators import Migrator, Migrators, NewerCode, migrators_of, newer_package
from tests.support.postgres import OwnPostgres, Postgres, Session, session
from tests.support.schema_dump import Schema, schema_of

pytestmark = pytest.mark.invariant

AT_ONCE = 20
TITLES = 12
PATIENCE_SECONDS = 240  # on a busy machine


def _written(id_: str, statement: str, slowly: str) -> str:
    """A revision's statements; a row says that it was applied, and is not unique."""
    note = f"INSERT INTO effects SELECT '{id_}'"
    return "\n".join(f"op.execute({text!r})" for text in (note, statement, f"{slowly} /* {id_} */"))


def _tree(slowly: str, text: str) -> tuple[Script, ...]:
    """Newer migrations of all kinds, each of which takes a moment, so that it is met at work."""
    return (
        Script(
            after_expand(1, "pages"),
            EXPAND_HEAD,
            body=_written(after_expand(1, "pages"), "ALTER TABLE books ADD pages integer", slowly),
        ),
        Script(
            after_expand(2, "indexes"),
            after_expand(1, "pages"),
            body=f'operations.create_index("ix_slow", "books", [sa.text("{text}(title)")])\n'
            f'operations.create_index("uq_slow", "books", [sa.text("{text}(isbn)")], unique=True)',
        ),
        Script(
            after_expand(3, "filled"),
            after_expand(2, "indexes"),
            body='operations.backfill("books", '
            f'"pages = length({text}(title))", where="pages IS NULL")',
        ),
        Script(
            after_expand(4, "shelves"),
            after_expand(3, "filled"),
            body=_written(after_expand(4, "shelves"), "CREATE TABLE shelves (id integer)", slowly),
        ),
        Script(
            after_contract(1, "no_index"),
            CONTRACT_HEAD,
            depends_on=(after_expand(3, "filled"),),
            body='operations.drop_index("ix_slow", "books")',
            branch="contract",
        ),
        Script(
            after_contract(2, "no_authors"),
            after_contract(1, "no_index"),
            depends_on=(after_expand(4, "shelves"),),
            body=_written(
                after_contract(2, "no_authors"), "ALTER TABLE books DROP authors", slowly
            ),
            branch="contract",
        ),
    )


NOTING = {after_expand(1, "pages"), after_expand(4, "shelves"), after_contract(2, "no_authors")}
POINTS = (
    f"SELECT pg_sleep(0.2) /* {after_expand(1, 'pages')}",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_slow",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_slow",
    "UPDATE books SET pages",
    f"SELECT pg_sleep(0.2) /* {after_expand(4, 'shelves')}",
    f"SELECT pg_sleep(0.2) /* {after_contract(2, 'no_authors')}",
)
DROPPING = "DROP INDEX CONCURRENTLY IF EXISTS ix_slow"
WAITING = "SELECT pg_try_advisory_lock"
INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"

# Alembic makes no table of its own where it finds one.
COUNTED = (
    "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)",
    "CREATE TABLE effects (revision text)",
)
COUNTED_ON_POSTGRESQL = (
    *COUNTED,
    "CREATE TABLE history (number int GENERATED ALWAYS AS IDENTITY, revision text)",
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN INSERT INTO history (revision) VALUES (NEW.version_num); RETURN NEW; END'",
    "CREATE TRIGGER note AFTER INSERT OR UPDATE ON alembic_version FOR EACH ROW "
    "EXECUTE FUNCTION note()",
    "CREATE FUNCTION slowly(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS "
    "'BEGIN PERFORM pg_sleep(0.01); RETURN value; END'",
)
COUNTED_ON_SQLITE = (
    *COUNTED,
    "CREATE TABLE history (number integer PRIMARY KEY, revision text)",
    *(
        f"CREATE TRIGGER note_{event} AFTER {event} ON alembic_version BEGIN "
        "INSERT INTO history (revision) SELECT NEW.version_num; END"
        for event in ("insert", "update")
    ),
)
COLUMNS = (
    "id, isbn, title, sort_title, authors, price_minor, currency, version, created_at, updated_at"
)


def prepare(url: str) -> None:
    """Let a database count what is applied to it; apply the first revision, add books."""
    postgresql = url.startswith("postgresql")
    for statement in COUNTED_ON_POSTGRESQL if postgresql else COUNTED_ON_SQLITE:
        execute(url, statement)
    apply_schema(url)
    rows = ", ".join(
        f"('{number:032x}', '{number:013}', 'Title {number}', 't', '[]', 1, 'EUR', 1, "
        "'2026-01-01', '2026-01-01')"
        for number in range(TITLES)
    )
    execute(url, f"INSERT INTO books ({COLUMNS}) VALUES {rows}")  # noqa: S608 - constants


def check(url: str, code: NewerCode, expected: Schema) -> None:
    """Each revision was applied once, after what it requires, and all is as if nobody had died."""
    history = [revision for (revision,) in execute(url, "SELECT revision FROM history")]
    revisions = load_tree(code.scripts).revisions
    assert sorted(history) == sorted(revisions)
    order = [id_ for (id_,) in execute(url, "SELECT revision FROM history ORDER BY number")]
    for place, id_ in enumerate(order):
        assert revisions[id_].requires <= set(order[:place])
    effects = [revision for (revision,) in execute(url, "SELECT revision FROM effects")]
    assert sorted(effects) == sorted(NOTING)
    filled = "SELECT count(*) FROM books WHERE pages = length(title)"
    assert execute(url, filled) == [(TITLES,)]
    assert schema_of(url) == expected


# --- PostgreSQL ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> NewerCode:
    tree = _tree("SELECT pg_sleep(0.2)", "slowly")
    return newer_package(tmp_path_factory.mktemp("newer"), *tree)


@pytest.fixture(scope="module")
def migrators(code: NewerCode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migrators]:
    with migrators_of(code, tmp_path_factory.mktemp("migrators")) as started:
        yield started


@pytest.fixture(scope="module")
def template(postgres: Postgres) -> Iterator[str]:
    """The name of a prepared database."""
    with postgres.database() as url:
        prepare(url)
        yield url.rpartition("/")[2]


@pytest.fixture(scope="module")
def expected(postgres: Postgres, template: str, code: NewerCode) -> Iterator[Schema]:
    """What one migration that nobody disturbs makes of it."""
    with postgres.database(template) as url:
        assert carry_out(url, Migration(Branch.CONTRACT, 60, code.scripts)).code == "migrated"
        check(url, code, schema_of(url))
        yield schema_of(url)


@dataclass(frozen=True)
class Scene:
    """What the tests on PostgreSQL share, and a folder of each one's own."""

    code: NewerCode
    migrators: Migrators
    expected: Schema
    folder: Path

    def party(self, url: str) -> "Party":
        return Party(self.migrators, url, self.folder)

    def check(self, url: str) -> None:
        check(url, self.code, self.expected)


@pytest.fixture
def scene(code: NewerCode, migrators: Migrators, expected: Schema, tmp_path: Path) -> Scene:
    return Scene(code, migrators, expected, tmp_path)


@pytest.fixture
def prepared(postgres: Postgres, template: str) -> Iterator[str]:
    with postgres.database(template) as url:
        yield url


def busy_with(observer: Session, statement: str) -> list[tuple[int, str]]:
    """Return the number and the name of each session that runs such a statement."""
    rows = observer.ask(
        "SELECT pid, application_name FROM pg_stat_activity WHERE datname = current_database() "
        "AND starts_with(ltrim(query, E'\\n'), $1) AND pid <> pg_backend_pid() "
        "AND state <> 'idle'",
        statement,
    )
    return [(pid, name) for pid, name in rows]


class Party:
    """Migrations of one database, each of whose sessions has its name."""

    def __init__(self, migrators: Migrators, url: str, folder: Path) -> None:
        self._migrators, self._url, self._folder = migrators, url, folder
        self._names = (f"migrator-{number}" for number in count())
        self.all: dict[str, Migrator] = {}

    def start(self, to: Branch = Branch.CONTRACT) -> Migrator:
        name = next(self._names)
        url = f"{self._url}?application_name={name}"
        env = environment(url, self._folder, migration_lock_seconds=PATIENCE_SECONDS)
        self.all[name] = self._migrators.start("migrate", "--to", to, env=env)
        return self.all[name]

    def end(self, name: str, how: signal.Signals) -> None:
        self._migrators.signal(self.all[name], how)

    def busy(self, observer: Session, migrator: Migrator, statement: str) -> bool:
        """Whether the server runs such a statement for this one."""
        return any(self.all[name] is migrator for _, name in busy_with(observer, statement))

    @property
    def over(self) -> bool:
        return all(migrator.code is not None for migrator in self.all.values())

    def wait(self) -> None:
        wait_until(lambda: self.over, "the migrations to end", seconds=PATIENCE_SECONDS)


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and when: the server is busy with that, or so many milliseconds are over."""

    point: str | int
    act: str  # a signal to the process, or what the server does to its session

    @property
    def place(self) -> int:
        """Its place in the order of things: a point that is passed does not come again."""
        return POINTS.index(str(self.point)) if self.point in POINTS else -1

    def strikes(self, party: Party, observer: Session) -> str | None:
        """Wait for its moment; the one who is struck, none where all ended before."""
        begin = time.monotonic()

        def victim() -> tuple[int, str] | None:
            if isinstance(self.point, int):
                if time.monotonic() < begin + self.point / 1000:
                    return None
                busy = busy_with(observer, "")
            else:
                busy = busy_with(observer, self.point)
            return busy[0] if busy else (0, "") if party.over else None

        session, name = wait_for(victim, f"a migration at {self.point}", seconds=PATIENCE_SECONDS)
        if not name:
            return None
        if self.act.startswith("SIG"):
            party.end(name, signal.Signals[self.act])
        else:
            observer.ask(f"SELECT {self.act}($1)", session)
        return name


ACTS = ("SIGKILL", "SIGTERM", "pg_terminate_backend", "pg_cancel_backend")
FAULTS = st.lists(
    st.builds(
        Fault,
        st.sampled_from(POINTS) | st.just(WAITING) | st.integers(0, 1500),
        st.sampled_from(ACTS),
    ),
    min_size=2,
    max_size=6,
).map(lambda faults: sorted(faults, key=lambda fault: fault.place))


@settings(
    max_examples=scaled(3),
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(faults=FAULTS)
def test_twenty_migrations_at_once_with_kills_at_drawn_points(
    postgres: Postgres, template: str, scene: Scene, faults: list[Fault]
) -> None:
    with postgres.database(template) as url, session(url) as observer:
        party = scene.party(url)
        for _ in range(AT_ONCE):
            party.start()
        struck = {fault.strikes(party, observer) for fault in faults}
        party.wait()
        for name, migrator in party.all.items():
            if name not in struck:
                assert migrator.code == 0, migrator.lines()
        finish(url, scene.code)
        scene.check(url)


def finish(url: str, code: NewerCode) -> None:
    """Run the migration again, once."""
    outcome = carry_out(url, Migration(Branch.CONTRACT, 60, code.scripts))
    assert outcome.code in {"migrated", "nothing-to-do"}, outcome


@pytest.mark.parametrize("point", POINTS)
def test_one_migration_killed_at_each_point_is_finished_by_the_next(
    prepared: str, scene: Scene, point: str
) -> None:
    with session(prepared) as observer:
        party = scene.party(prepared)
        victim = party.start()
        assert Fault(point, "SIGKILL").strikes(party, observer) is not None
        party.wait()
    assert victim.code == -signal.SIGKILL
    finish(prepared, scene.code)
    scene.check(prepared)


@pytest.mark.parametrize("act", ["SIGKILL", "SIGTERM", "pg_terminate_backend"])
@pytest.mark.parametrize("point", [POINTS[1], POINTS[2], DROPPING])
def test_an_index_left_invalid_is_mended_by_the_next(
    prepared: str, scene: Scene, point: str, act: str
) -> None:
    """A long transaction makes sure of the moment: what PostgreSQL does in steps waits for it."""
    if point == DROPPING:
        # What is ours first: the reader would keep its indexes from being made.
        steps = (Migration(Branch.CONTRACT, 60), Migration(Branch.EXPAND, 60, scene.code.scripts))
        assert [carry_out(prepared, step).code for step in steps] == ["migrated", "migrated"]
    with session(prepared) as observer, session(prepared) as reader:
        if point == POINTS[2]:
            execute(prepared, "CREATE INDEX ix_slow ON books (slowly(title))")
        reader.ask("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.ask("SELECT title FROM books" if point == DROPPING else "SELECT * FROM effects")
        party = scene.party(prepared)
        victim = party.start()
        half_done = point.rpartition(" ")[2]
        wait_until(lambda: (half_done,) in observer.ask(INVALID), "half an index")
        assert Fault(point, act).strikes(party, observer) is not None
        second = party.start()
        # The server ends the first one's session too; then the second drops what that left.
        wait_until(lambda: party.busy(observer, second, point), "the next to do it again")
        reader.ask("ROLLBACK")
        party.wait()
    assert victim.code == (-signal.SIGKILL if act == "SIGKILL" else 1)
    assert (second.code, second.outcome["code"]) == (0, "migrated")
    scene.check(prepared)


@pytest.mark.parametrize(
    ("point", "how"), [(POINTS[1], signal.SIGQUIT), (POINTS[4], signal.SIGINT)]
)
def test_the_database_restarts_while_many_migrate(
    private_postgres: OwnPostgres, scene: Scene, point: str, how: signal.Signals
) -> None:
    """As after a crash, or as its owner would do it."""
    url = private_postgres.create_database()
    prepare(url)
    party = scene.party(url)
    with session(url) as observer:
        for _ in range(5):
            party.start()
        wait_until(lambda: busy_with(observer, point), "a migration at work")
        private_postgres.stop(how)
    private_postgres.start()
    party.wait()
    for migrator in party.all.values():
        assert migrator.outcome["code"] in {"migrated", "nothing-to-do", "unreachable"}
    finish(url, scene.code)
    scene.check(url)


# --- SQLite -------------------------------------------------------------------------------------

COUNTS_FAR = (
    "CREATE TEMP TABLE IF NOT EXISTS far AS WITH RECURSIVE n(i) AS "
    "(SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT count(*) FROM n"
)


@pytest.fixture(scope="module")
def sqlite_code(tmp_path_factory: pytest.TempPathFactory) -> NewerCode:
    return newer_package(tmp_path_factory.mktemp("newer"), *_tree(COUNTS_FAR, "upper"))


@pytest.fixture(scope="module")
def sqlite_migrators(
    sqlite_code: NewerCode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Migrators]:
    with migrators_of(sqlite_code, tmp_path_factory.mktemp("migrators")) as started:
        yield started


@settings(
    max_examples=scaled(4),
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    faults=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    after_expand(1, "pages"),
                    after_expand(2, "indexes"),
                    after_expand(4, "shelves"),
                    after_contract(2, "no_authors"),
                ]
            ),
            st.sampled_from([signal.SIGKILL, signal.SIGTERM]),
        ),
        max_size=3,
    )
)
def test_several_migrations_of_a_file_at_once_with_kills(
    sqlite_code: NewerCode,
    sqlite_migrators: Migrators,
    tmp_path: Path,
    faults: list[tuple[str, signal.Signals]],
) -> None:
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    folder.mkdir()

    def new_file(name: str) -> str:
        url = f"sqlite:///{folder / name}"
        prepare(url)
        # Copying a table would lose the newer code's index on an expression.
        apply_schema(url, Branch.CONTRACT)
        return url

    undisturbed, url = new_file("undisturbed.db"), new_file("books.db")
    finish(undisturbed, sqlite_code)
    env = environment(url, folder, migration_lock_seconds=PATIENCE_SECONDS)
    running = [sqlite_migrators.start("migrate", "--to", "contract", env=env) for _ in range(6)]
    struck: list[Migrator] = []
    for revision, how in faults:

        def victim(revision: str = revision) -> Migrator | str | None:
            for migrator in running:
                reported = any(line.get("schema_revision") == revision for line in migrator.lines())
                if reported and migrator.code is None and migrator not in struck:
                    return migrator
            return "nobody" if all(migrator.code is not None for migrator in running) else None

        chosen = wait_for(victim, f"{revision} to be applied", seconds=PATIENCE_SECONDS)
        if isinstance(chosen, Migrator):
            struck.append(chosen)
            sqlite_migrators.signal(chosen, how)
    wait_until(
        lambda: all(m.code is not None for m in running), "their end", seconds=PATIENCE_SECONDS
    )
    assert all(migrator.code == 0 for migrator in running if migrator not in struck)
    finish(url, sqlite_code)
    check(url, sqlite_code, schema_of(undisturbed))
