"""Migrations and check-schema, on both databases, with what goes wrong in real life."""

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from bookstore_api.cli.walk import walk
from bookstore_api.db.limits import Limits
from bookstore_api.db.schema import steps
from bookstore_api.db.schema.check import check_schema
from bookstore_api.db.schema.lock import migration_lock
from bookstore_api.db.schema.migrate import Migration, migrate, plan
from bookstore_api.db.schema.steps import TABLE_LOCK_SECONDS, Direction
from bookstore_api.db.schema.tree import SCRIPTS, Branch, load_tree
from bookstore_api.db.sessions import Database, open_database
from bookstore_api.process.result import MAX_BYTES, CommandResult
from bookstore_api.settings import Settings
from bookstore_api.shop.domains import self_test
from tests.support.bookstore import (
    apply_schema,
    command_line,
    environment,
    execute,
    run_command,
    served_on,
    wait_until,
)
from tests.support.migrations import (
    ALL,
    CONTRACT_HEAD,
    EXPAND_HEAD,
    EXPANDED,
    KNOWN,
    Script,
    after_contract,
    after_expand,
    carry_out,
    newer_code,
    only,
)
from tests.support.postgres import OwnPostgres, Postgres, query, session
from tests.support.schema_dump import schema_of

T = TypeVar("T")
EXPAND_2 = Script(
    after_expand(1, "pages"),
    follows=EXPAND_HEAD,
    body='op.add_column("books", sa.Column("pages", sa.Integer(), nullable=True))',
)
CONTRACT_2 = Script(
    after_contract(1, "no_authors"),
    follows=CONTRACT_HEAD,
    depends_on=(after_expand(1, "pages"),),
    body='op.drop_column("books", "authors")',
)


def on(url: str, use: Callable[[Database], Awaitable[T]]) -> T:
    """Use a database from a loop of its own."""

    async def run() -> T:
        settings = Settings.model_validate({"database_url": url})
        database = open_database(settings, pool_size=2)
        try:
            return await use(database)
        finally:
            await database.close()

    return asyncio.run(run())


def migrating(
    url: str, to: Branch, scripts: Path = SCRIPTS, *, lock_seconds: float = 60
) -> CommandResult:
    return carry_out(url, Migration(to, lock_seconds, scripts))


def checking(url: str, scripts: Path = SCRIPTS) -> CommandResult:
    return on(url, lambda database: check_schema(database, self_test, scripts=scripts))


def test_the_commands_bring_a_database_up_to_date(empty_url: str, tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    env = {**environment(empty_url, tmp_path), "BOOKSTORE_TERMINATION_LOG": str(log)}

    def run(*arguments: str) -> tuple[int, str, list[str] | None]:
        ended = run_command(*arguments, env=env, cwd=tmp_path)
        assert json.loads(log.read_text(encoding="utf-8")) == ended.outcome
        assert ended.outcome["command"] == arguments[0]
        return ended.code, ended.outcome["code"], ended.outcome.get("schemaAfter")

    assert run("check-schema") == (3, "behind", [])
    assert run("migrate", "--to", "expand", "--plan") == (0, "planned", [])
    assert run("migrate", "--to", "expand") == (0, "migrated", list(EXPANDED))
    assert run("migrate", "--to", "contract") == (0, "migrated", list(ALL))
    assert run("check-schema") == (0, "current", list(ALL))


@pytest.mark.invariant
def test_a_second_run_finds_nothing_to_do(empty_url: str) -> None:
    """P8, migration idempotency: `migrate` run again changes nothing and says so."""
    assert migrating(empty_url, Branch.EXPAND).code == "migrated"
    again = migrating(empty_url, Branch.EXPAND)
    assert (again.code, again.schema_before, again.schema_after) == (
        "nothing-to-do",
        EXPANDED,
        EXPANDED,
    )
    assert checking(empty_url).code == "current"
    assert migrating(empty_url, Branch.CONTRACT).schema_after == ALL
    assert migrating(empty_url, Branch.EXPAND).code == "nothing-to-do"
    assert migrating(empty_url, Branch.CONTRACT).code == "nothing-to-do"


def test_a_plan_changes_nothing(empty_url: str) -> None:
    outcome, pending = on(empty_url, lambda database: plan(database, Migration(Branch.CONTRACT, 1)))
    assert outcome.code == "planned"
    assert tuple(revision.id for revision in pending) == tuple(
        revision.id for revision in load_tree().pending(Branch.CONTRACT, ())
    )
    assert checking(empty_url).schema_before == ()


@pytest.mark.invariant
def test_of_eight_migrations_at_once_one_works(empty_url: str) -> None:
    async def one() -> CommandResult:
        settings = Settings.model_validate({"database_url": empty_url})
        database = open_database(settings, pool_size=2)
        try:
            return await migrate(database, Migration(Branch.CONTRACT, 60), self_test)
        finally:
            await database.close()

    async def eight() -> list[CommandResult]:
        return await asyncio.gather(*(one() for _ in range(8)))

    outcomes = asyncio.run(eight())
    assert sorted(outcome.code for outcome in outcomes) == ["migrated"] + ["nothing-to-do"] * 7
    assert {outcome.schema_after for outcome in outcomes} == {ALL}


def test_who_waits_too_long_for_the_lock_is_told_to_try_again(
    empty_postgres: str, tmp_path: Path
) -> None:
    async def while_locked(database: Database) -> tuple[int, str]:
        async with migration_lock(database.migration_engine, wait_seconds=5):
            env = environment(empty_postgres, tmp_path, migration_lock_seconds=0.3)
            ended = await asyncio.to_thread(
                run_command, "migrate", "--to", "expand", env=env, cwd=tmp_path
            )
            return ended.code, ended.outcome["code"]

    assert on(empty_postgres, while_locked) == (75, "locked")
    assert migrating(empty_postgres, Branch.EXPAND).code == "migrated"


def test_who_waits_too_long_for_a_sqlite_file_is_told_so(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}"

    async def while_locked(database: Database) -> CommandResult:
        async with database.migration_engine.execution_options(
            sqlite_begin="BEGIN IMMEDIATE"
        ).begin():
            other = open_database(Settings.model_validate({"database_url": url}), pool_size=2)
            try:
                return await migrate(other, Migration(Branch.EXPAND, 0), self_test)
            finally:
                await other.close()

    assert on(url, while_locked).code == "locked"


@pytest.mark.invariant
def test_a_migration_that_is_killed_can_be_run_again(empty_postgres: str, tmp_path: Path) -> None:
    """Its session goes with it, and so does the lock; half a revision is rolled back."""
    work = 'op.create_table("shelves", sa.Column("id", sa.Integer()))'
    sleepy = Script(
        after_expand(1, "shelves"), EXPAND_HEAD, body=f'{work}; op.execute("SELECT pg_sleep(600)")'
    )
    scripts = newer_code(tmp_path, sleepy)
    program = (
        "import sys; from pathlib import Path; from tests.support.bookstore import apply_schema; "
        "apply_schema(sys.argv[1], scripts=Path(sys.argv[2]))"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", program, empty_postgres, str(scripts)],
        cwd=Path(__file__).parents[4],
        stderr=subprocess.DEVNULL,
    )
    sleeping = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
        "AND query LIKE 'SELECT pg_sleep(600)%'"
    )
    try:
        wait_until(lambda: execute(empty_postgres, sleeping), "the migration to be at work")
    finally:
        victim.kill()
        victim.wait()
    Script(after_expand(1, "shelves"), EXPAND_HEAD, body=work).write(scripts / "versions")
    load_tree.cache_clear()
    outcome = migrating(empty_postgres, Branch.EXPAND, scripts)
    assert outcome.code == "migrated"
    assert outcome.schema_before == EXPANDED
    assert execute(empty_postgres, "SELECT count(*) FROM shelves") == [(0,)]


@pytest.mark.parametrize(
    "held", ["SELECT count(*) FROM books", "UPDATE books SET version = version + 1"]
)
def test_a_migration_does_not_stop_the_shop_for_a_table_lock(
    migrated_postgres: str, tmp_path: Path, held: str
) -> None:
    """It gives up its place in the queue again and again, until the long transaction has ended.

    The server ends a statement that queues behind it after four times its patience.
    """
    scripts = newer_code(tmp_path, EXPAND_2)
    waiting = (
        "SELECT query_start FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE%'"
    )
    with (
        session(migrated_postgres) as holder,
        session(migrated_postgres) as shop,
        session(migrated_postgres) as observer,
        ThreadPoolExecutor(1) as pool,
    ):
        holder.ask("BEGIN")
        holder.ask(held)
        shop.ask(f"SET lock_timeout = '{4 * TABLE_LOCK_SECONDS}s'")
        migration = pool.submit(migrating, migrated_postgres, Branch.EXPAND, scripts)
        tries: set[object] = set()

        def third_try() -> bool:
            tries.update(observer.ask(waiting))
            shop.ask("SELECT count(*) FROM books")
            shop.ask("DELETE FROM books WHERE version < 0")
            return len(tries) >= 3

        wait_until(third_try, "three tries")
        assert not migration.done()
        holder.ask("ROLLBACK")
        outcome = migration.result(60)
    assert (outcome.code, outcome.schema_after) == ("migrated", (*ALL, after_expand(1, "pages")))


def test_who_can_not_have_a_table_for_too_long_is_told_to_try_again(
    migrated_postgres: str, tmp_path: Path
) -> None:
    scripts = newer_code(tmp_path, EXPAND_2)
    with session(migrated_postgres) as holder:
        holder.ask("BEGIN")
        holder.ask("SELECT count(*) FROM books")
        outcome = migrating(migrated_postgres, Branch.EXPAND, scripts, lock_seconds=0.5)
    assert (outcome.code, outcome.exit_code, outcome.schema_after) == ("locked", 75, ALL)
    assert after_expand(1, "pages") in outcome.message
    assert migrating(migrated_postgres, Branch.EXPAND, scripts).code == "migrated"


def test_a_statement_that_stops_the_shop_for_too_long_is_ended(
    migrated_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "LIMITS", ("SET statement_timeout = '100ms'",))
    slow = Script(after_expand(1, "slow"), EXPAND_HEAD, body='op.execute("SELECT pg_sleep(600)")')
    outcome = migrating(migrated_postgres, Branch.EXPAND, newer_code(tmp_path, slow))
    assert (outcome.code, outcome.schema_after) == ("failed", ALL)
    assert "bookstore_api.db.schema.operations" in outcome.message


@pytest.mark.parametrize("setting", ["statement_timeout", "transaction_timeout", "lock_timeout"])
def test_limits_of_the_database_end_no_migration(empty_postgres: str, setting: str) -> None:
    """People set them for requests; an index may take hours."""
    name = empty_postgres.rpartition("/")[2]
    query(empty_postgres, f"ALTER DATABASE {name} SET {setting} = '1min'")

    async def limit(database: Database) -> str:
        async with migration_lock(database.migration_engine, wait_seconds=1) as connection:
            shown = await connection.scalar(text(f"SHOW {setting}"))
            await connection.rollback()
            return str(shown)

    assert on(empty_postgres, limit) == "0"


def test_a_user_who_may_create_no_tables_is_told_what_to_grant(
    postgres: Postgres, empty_postgres: str
) -> None:
    """Since PostgreSQL 15, nobody but a database's owner may create tables in `public`."""
    role = f"role_{secrets.token_hex(4)}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    parts = urlsplit(empty_postgres)
    url = parts._replace(netloc=f"{role}:pw@{parts.hostname}:{parts.port}").geturl()
    outcome = migrating(url, Branch.EXPAND)
    postgres.execute(f"ALTER ROLE {role} SET search_path = nowhere")
    without_schema = migrating(url, Branch.EXPAND)
    postgres.execute(f"DROP ROLE {role}")
    assert (outcome.code, "GRANT USAGE, CREATE ON SCHEMA" in outcome.message) == ("failed", True)
    assert (without_schema.code, "search_path" in without_schema.message) == ("failed", True)


def test_a_migration_may_take_longer_than_a_request(
    migrated_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookstore_api.db.sessions.REQUESTS", Limits(0.5, 0.5, 0.5))
    slow = Script(after_expand(1, "slow"), EXPAND_HEAD, body='op.execute("SELECT pg_sleep(1)")')
    outcome = migrating(migrated_postgres, Branch.EXPAND, newer_code(tmp_path, slow))
    assert outcome.code == "migrated", outcome


def test_rows_are_filled_in_a_thousand_at_a_time(migrated_postgres: str, tmp_path: Path) -> None:
    columns = "id, isbn, title, sort_title, authors, price_minor, currency, version, created_at"
    execute(
        migrated_postgres,
        f"INSERT INTO books ({columns}, updated_at) SELECT gen_random_uuid(), "  # noqa: S608
        "lpad(n::text, 13, '0'), 't', 't', '[]', 1, 'EUR', 1, now(), now() "
        "FROM generate_series(1, 2500) n",
    )
    fill = 'operations.backfill("books", "pages = 1", where="pages IS NULL")'
    scripts = newer_code(
        tmp_path, EXPAND_2, Script(after_expand(2, "filled"), after_expand(1, "pages"), body=fill)
    )
    assert migrating(migrated_postgres, Branch.EXPAND, scripts).code == "migrated"
    by_transaction = "SELECT count(*) FROM books WHERE pages = 1 GROUP BY xmin ORDER BY 1"
    assert execute(migrated_postgres, by_transaction) == [(500,), (1000,), (1000,)]


def test_sort_keys_of_older_code_are_written_again(empty_url: str, tmp_path: Path) -> None:
    """Before the switch, and after it those that the older code has written in between."""
    apply_schema(empty_url, scripts=only(SCRIPTS, ["0001_books"], tmp_path))
    titles = {"№ 44": "No 44", "Aardvark": "aardvark", "O''Neil": "wrong", "\uff21\uff22": "AB"}
    keys = "SELECT sort_title FROM books ORDER BY isbn"

    def add(number: int, title: str, key: str) -> None:
        execute(
            empty_url,
            "INSERT INTO books (id, isbn, title, sort_title, authors, price_minor, currency, "  # noqa: S608
            f"version, created_at, updated_at) VALUES ('{number:032x}', '{number}', '{title}', "
            f"'{key}', '[]', 1, 'EUR', 1, '2026-01-01', '2026-01-01')",
        )

    for number, (title, key) in enumerate(titles.items()):
        add(number, title, key)
    assert migrating(empty_url, Branch.EXPAND).code == "migrated"
    expected = [("no 44",), ("aardvark",), ("o'neil",), ("ab",)]
    assert execute(empty_url, keys) == expected
    add(9, "№ 9", "No 9")
    assert migrating(empty_url, Branch.CONTRACT).code == "migrated"
    assert execute(empty_url, keys) == [*expected, ("no 9",)]


def test_a_unique_index_that_the_rows_do_not_allow_leaves_nothing(url: str, tmp_path: Path) -> None:
    body = 'operations.create_index("uq_books_title", "books", ["title"], unique=True)'
    scripts = newer_code(tmp_path, Script(after_expand(1, "unique"), EXPAND_HEAD, body=body))
    add = (
        "INSERT INTO books (id, isbn, title, sort_title, authors, price_minor, currency, version, "
        "created_at, updated_at) VALUES ('{0:032x}', '{0}', 't', 't', '[]', 1, 'EUR', 1, "
        "'2026-01-01', '2026-01-01')"
    )
    before = schema_of(url)
    for number in range(2):
        execute(url, add.format(number))
    outcome = migrating(url, Branch.EXPAND, scripts)
    assert (outcome.code, outcome.schema_after) == ("failed", ALL)
    assert schema_of(url) == before
    execute(url, "DELETE FROM books")
    assert migrating(url, Branch.EXPAND, scripts).code == "migrated"


def test_a_migration_of_a_file_leaves_no_row_that_refers_to_nothing(tmp_path: Path) -> None:
    """Foreign keys are not looked at while tables are copied, but in the end."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    apply_schema(url)
    execute(url, "CREATE TABLE shelves (id integer, isbn text REFERENCES books (isbn))")
    orphan = Script(
        after_expand(1, "orphan"),
        EXPAND_HEAD,
        body="op.execute(\"INSERT INTO shelves VALUES (1, 'none')\")",
    )
    outcome = migrating(url, Branch.EXPAND, newer_code(tmp_path, orphan))
    assert (outcome.code, outcome.schema_after) == ("failed", EXPANDED)
    assert "a row of shelves refers to none of books" in outcome.message
    assert execute(url, "SELECT * FROM shelves") == []


def test_a_developer_goes_back(url: str) -> None:
    def back_to(revision: str) -> tuple[str, tuple[str, ...] | None]:
        outcome = carry_out(url, Migration(revision, 60, direction=Direction.DOWN))
        return outcome.code, outcome.schema_after

    assert back_to("0001_books") == ("migrated", ("0001_books",))
    assert back_to("0001_books") == ("nothing-to-do", ("0001_books",))
    assert back_to("0001_contract") == ("failed", ("0001_books",))
    assert back_to("base") == ("migrated", ())
    assert migrating(url, Branch.CONTRACT).schema_after == ALL


def test_a_developer_goes_back_by_the_command(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}"
    apply_schema(url)
    apply_schema(url, Branch.CONTRACT)

    def run(*arguments: str) -> tuple[int, str, list[str] | None, list[str]]:
        env = environment(url, tmp_path)
        ended = run_command("migrate", *arguments, env=env, cwd=tmp_path)
        *before, _ = ended.output.splitlines()
        return ended.code, ended.outcome["code"], ended.outcome.get("schemaAfter"), before

    tree = load_tree()
    steps = [f"{step.id}: {step.summary}" for step in tree.beyond("0001_books", ALL)]
    assert steps[-1] == "0001_contract: Begin the contract branch; there is nothing to remove yet"
    assert run("--down-to", "0001_books", "--plan") == (0, "planned", list(ALL), steps)
    assert run("--down-to", "0001_books") == (0, "migrated", ["0001_books"], [])


@pytest.mark.parametrize("where", ["staging", "production"])
def test_nobody_goes_back_where_there_is_something_to_lose(
    migrated_postgres: str, tmp_path: Path, where: str
) -> None:
    env = environment(migrated_postgres, tmp_path, environment=where)
    ended = run_command("migrate", "--down-to", "base", env=env, cwd=tmp_path)
    assert (ended.code, ended.outcome["code"]) == (1, "failed")
    assert "--down-to loses data" in ended.outcome["message"]
    assert checking(migrated_postgres).schema_before == ALL


def test_what_newer_code_has_applied_is_not_reverted_by_older(url: str, tmp_path: Path) -> None:
    apply_schema(url, scripts=newer_code(tmp_path, EXPAND_2))
    outcome = carry_out(url, Migration("base", 60, direction=Direction.DOWN))
    assert (outcome.code, outcome.schema_after) == ("failed", (*KNOWN, after_expand(1, "pages")))
    assert f"Newer code has applied {after_expand(1, 'pages')}" in outcome.message


def test_a_migration_that_fails_says_so_and_leaves_the_one_before(
    empty_url: str, tmp_path: Path
) -> None:
    broken = Script(
        after_expand(1, "broken"), EXPAND_HEAD, body='op.execute("SELECT * FROM nowhere")'
    )
    outcome = migrating(empty_url, Branch.EXPAND, newer_code(tmp_path, broken))
    assert (outcome.code, outcome.exit_code) == ("failed", 1)
    assert "nowhere" in outcome.message
    assert outcome.schema_after in {EXPANDED, ()}  # SQLite's all are one transaction
    assert migrating(empty_url, Branch.EXPAND).exit_code == 0


def test_a_schema_that_newer_code_expanded_is_ahead(url: str, tmp_path: Path) -> None:
    apply_schema(url, scripts=newer_code(tmp_path, EXPAND_2))
    outcome = checking(url)
    assert (outcome.code, outcome.exit_code) == ("ahead", 0)
    assert outcome.schema_before == (*KNOWN, after_expand(1, "pages"))
    assert execute(url, "SELECT count(*) FROM books") == [(0,)]
    assert migrating(url, Branch.EXPAND).code == "nothing-to-do"
    assert migrating(url, Branch.CONTRACT).code == "nothing-to-do"


def test_a_schema_that_only_newer_code_has_made_is_ahead(empty_url: str, tmp_path: Path) -> None:
    """Alembic's record names the newest revision only: that ours are below it can't be seen."""
    apply_schema(empty_url, scripts=newer_code(tmp_path, EXPAND_2))
    outcome = checking(empty_url)
    assert (outcome.code, outcome.schema_before) == ("ahead", (after_expand(1, "pages"),))
    assert migrating(empty_url, Branch.EXPAND).code == "nothing-to-do"
    assert migrating(empty_url, Branch.CONTRACT).code == "nothing-to-do"


def test_a_schema_that_newer_code_contracted_is_incompatible(url: str, tmp_path: Path) -> None:
    apply_schema(url, Branch.CONTRACT, scripts=newer_code(tmp_path, EXPAND_2, CONTRACT_2))
    outcome = checking(url)
    assert (outcome.code, outcome.exit_code) == ("incompatible", 4)
    assert after_contract(1, "no_authors") in outcome.message
    assert "authors" in outcome.message
    assert migrating(url, Branch.EXPAND).code == "failed"
    assert migrating(url, Branch.CONTRACT).code == "failed"


def test_a_server_goes_on_while_newer_code_expands(url: str, tmp_path: Path) -> None:
    """The statements that its connections have prepared still fit."""
    with served_on(url) as server:

        def smoke() -> None:
            for _ in range(10):
                walk(server.client)

        smoke()
        apply_schema(url, scripts=newer_code(tmp_path, EXPAND_2))
        smoke()


def test_a_migration_that_is_told_to_stop_says_so(empty_postgres: str, tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    env = {**environment(empty_postgres, tmp_path), "BOOKSTORE_TERMINATION_LOG": str(log)}

    async def while_locked(database: Database) -> int:
        async with migration_lock(database.migration_engine, wait_seconds=5):
            command = command_line("migrate", "--to", "expand")
            process = await asyncio.create_subprocess_exec(
                *command, env=env, cwd=tmp_path, stdout=subprocess.DEVNULL
            )
            two_ask = (
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                "AND query LIKE 'SELECT pg_try_advisory_lock%' HAVING count(*) = 2"
            )
            await asyncio.to_thread(
                wait_until, lambda: execute(empty_postgres, two_ask), "it to want the lock"
            )
            process.terminate()
            return await process.wait()

    assert on(empty_postgres, while_locked) == 1
    assert json.loads(log.read_text(encoding="utf-8"))["code"] == "failed"


def test_a_damaged_schema_is_incompatible(url: str) -> None:
    execute(url, "ALTER TABLE books DROP COLUMN authors")
    assert checking(url).code == "incompatible"


def test_checking_leaves_no_trace(url: str) -> None:
    assert checking(url).code == "current"
    assert execute(url, "SELECT count(*) FROM books") == [(0,)]


@pytest.mark.parametrize("command", [("migrate", "--to", "expand"), ("check-schema",)])
def test_failures_to_connect_are_told_apart(
    empty_postgres: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    def code(url: str) -> tuple[int, str]:
        ended = run_command(*command, env=environment(url, tmp_path), cwd=tmp_path)
        assert "canary" not in ended.output + ended.errors
        return ended.code, ended.outcome["code"]

    user, _, rest = empty_postgres.rpartition("@")
    server, _, _ = rest.partition("/")
    assert code(f"postgresql://bookstore:canary@{rest}") == (1, "authentication-failed")
    assert code("postgresql://bookstore:canary@127.0.0.1:9/books") == (1, "unreachable")
    assert code("postgresql://bookstore:canary@nowhere.invalid/books") == (1, "unreachable")
    assert code(f"{user}@{server}/nowhere") == (1, "unreachable")


def test_an_outcome_fits_into_a_termination_message() -> None:
    many = tuple(f"revision_{number:020d}" for number in range(500))
    for message in ("short", "long " * 5000, "\0" * 5000, "é" * 4000):
        text_ = CommandResult("migrate", "failed", message, many, many).to_json()
        assert len(text_.encode()) <= MAX_BYTES
        assert json.loads(text_)["code"] == "failed"


def test_a_command_without_a_database_says_what_to_set(tmp_path: Path) -> None:
    env = environment(None, tmp_path, environment="production")
    ended = run_command("migrate", "--to", "expand", env=env, cwd=tmp_path)
    assert (ended.code, ended.outcome["code"]) == (1, "failed")
    assert "BOOKSTORE_DATABASE_URL" in ended.outcome["message"]
    assert "BOOKSTORE_STAFF_TOKEN" not in ended.outcome["message"]


def test_a_migration_in_production_needs_no_staff_token(
    private_postgres: OwnPostgres, tmp_path: Path
) -> None:
    """Its Job mounts the database's secret only."""
    secret = tmp_path / "secrets/database/uri"
    secret.parent.mkdir(parents=True)
    secret.write_text(private_postgres.create_database(), encoding="utf-8")
    env = environment(None, tmp_path, environment="production", secrets_dir=tmp_path / "secrets")
    for command, code in (
        (("migrate", "--to", "expand"), "migrated"),
        (("check-schema",), "current"),
    ):
        assert run_command(*command, env=env, cwd=tmp_path).outcome["code"] == code


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "SQL_ASCII"])
def test_a_database_that_is_not_unicode_is_told_before_a_user_meets_it(
    postgres: Postgres, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    sql = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
    postgres.execute(sql)
    try:
        apply_schema(postgres.url(name), Branch.CONTRACT)
        found = checking(postgres.url(name))
        assert found.code == "incompatible"
        assert "ENCODING 'UTF8'" in found.message or encoding == "SQL_ASCII", found.message
    finally:
        postgres.drop_database(postgres.url(name))
