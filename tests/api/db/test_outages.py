"""What requests get while the database can't do what they ask for, and how soon."""

import asyncio
import secrets
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bookstore_api.cli.command import CLOSE_SECONDS as COMMAND_CLOSE_SECONDS
from bookstore_api.db import limits
from bookstore_api.db.errors import DatabaseUnavailableError
from bookstore_api.db.sessions import Database, WriteSession, open_database
from bookstore_api.db.sqlstates import meaning_of
from bookstore_api.health.checks import DatabaseCheck
from bookstore_api.health.finding import State
from bookstore_api.settings import Settings
from bookstore_api.shop.domains import self_test
from bookstore_api.uris.database import CONNECT_SECONDS, FIXED
from bookstore_api.web.resources import CLOSE_SECONDS as RESOURCES_CLOSE_SECONDS
from tests.support.bookstore import Served, StartProcess, apply_schema, served_on, wait_until
from tests.support.postgres import OwnPostgres, Postgres, query, session
from tests.support.proxy import Proxy, running_proxy

BOOKS = "/api/v1/books"
BOOK = {
    "isbn": "9780132350884",
    "title": "Clean Code",
    "authors": ["Robert C. Martin"],
    "price": {"amount": "1", "currency": "EUR"},
}
# A process with drain_seconds=0 and shutdown_seconds=1 ends in this time, whatever hangs.
END_SECONDS = 0 + 1 + 10
# What a busy machine may add.
TOLERANCE_SECONDS = 5
T = TypeVar("T")


def on(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = open_database(Settings.model_validate({"database_url": url}))
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


@contextmanager
def way_to(url: str) -> Iterator[tuple[Proxy, str]]:
    """Put a proxy before a server; the proxy, and a URI that leads through it."""
    port = urlsplit(url).port
    assert port is not None
    with running_proxy(port) as proxy:
        yield proxy, url.replace(f":{port}/", f":{proxy.port}/")


def raising(state: str, counted: list[int]) -> Callable[[WriteSession], Awaitable[None]]:
    """Return work that PostgreSQL ends with this SQLSTATE."""

    async def work(session: WriteSession) -> None:
        counted.append(1)
        await session.execute(
            text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")
        )

    return work


TEMPORARY = {
    "08006": ("unreachable", 4),
    "25006": ("read-only", 1),
    "3D000": ("unreachable", 1),
    "40001": ("busy", 4),
    "40P01": ("busy", 4),
    "53100": ("no-resources", 1),
    "53200": ("no-resources", 1),
    "53300": ("unreachable", 4),
    "53400": ("no-resources", 1),
    "55P03": ("busy", 1),
    "57014": ("busy", 1),
    "57P01": ("unreachable", 4),
    "57P03": ("unreachable", 1),
    "58030": ("no-resources", 1),
    "72000": ("busy", 4),
}


def test_what_means_try_again_is_never_our_fault(empty_postgres: str) -> None:
    async def code_of(database: Database, state: str) -> tuple[str, int]:
        counted: list[int] = []
        with pytest.raises(DatabaseUnavailableError) as caught:
            await database.write(raising(state, counted))
        return caught.value.failure.code, len(counted)

    async def codes(database: Database) -> dict[str, tuple[str, int]]:
        return {state: await code_of(database, state) for state in TEMPORARY}

    assert on(empty_postgres, codes) == TEMPORARY


@pytest.mark.parametrize("state", ["42P01", "22012", "23502", "XX000"])
def test_what_is_our_fault_stays_an_error(empty_postgres: str, state: str) -> None:
    async def ask(database: Database) -> None:
        await database.write(raising(state, []))

    with pytest.raises(SQLAlchemyError):
        on(empty_postgres, ask)


def test_every_message_says_what_to_do_without_a_value() -> None:
    for state in (*TEMPORARY, "28P01", "42501", "08P01", "26000"):
        meaning = meaning_of([state])
        assert meaning is not None
        assert meaning.message.endswith(".")
    assert meaning_of(["42P01"]) is None


@pytest.fixture
def served_book(migrated_postgres: str) -> Iterator[tuple[Served, str]]:
    """A server on a catalog with one book, and the book's path."""
    with served_on(migrated_postgres) as server:
        created = server.client.post(BOOKS, json=BOOK)
        assert created.status_code == 201
        yield server, created.headers["location"]


def patch_all(server: Served, path: str, count: int) -> list[httpx.Response]:
    """Send changes of one book at once."""
    answers: list[httpx.Response] = []

    def change(number: int) -> None:
        title = {"title": f"Title {number}"}
        answers.append(httpx.patch(f"{server.client.base_url}{path}", json=title, timeout=30))

    threads = [threading.Thread(target=change, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_the_servers_default_isolation_costs_no_request(
    served_book: tuple[Served, str], isolation: str
) -> None:
    server, path = served_book
    name = urlsplit(server.url).path.lstrip("/")
    query(server.url, f"ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'")
    query(
        server.url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    wait_until(lambda: server.client.get(path).status_code == 200, "new connections")
    assert [answer.status_code for answer in patch_all(server, path, 12)] == [200] * 12
    assert server.client.get(path).json()["title"].startswith("Title")


def test_a_deadlock_is_run_again(migrated_postgres: str) -> None:
    """Two transactions that lock two rows in opposite order: one is rolled back and repeated."""
    query(
        migrated_postgres, "CREATE TABLE pairs AS SELECT n, 0 AS hits FROM generate_series(1, 2) n"
    )
    query(
        migrated_postgres,
        f"ALTER DATABASE {urlsplit(migrated_postgres).path[1:]} SET deadlock_timeout = '50ms'",
    )

    async def both(database: Database) -> None:
        met = asyncio.Barrier(2)
        first_time = [True, True]

        def in_order(number: int) -> Callable[[WriteSession], Awaitable[None]]:
            async def work(session: WriteSession) -> None:
                for step in (0, 1):
                    row = (number + step) % 2 + 1
                    await session.execute(
                        text("UPDATE pairs SET hits = hits + 1 WHERE n = :row"), {"row": row}
                    )
                    if step == 0 and first_time[number]:
                        first_time[number] = False
                        await met.wait()

            return work

        await asyncio.gather(*(database.write(in_order(number)) for number in (0, 1)))

    on(migrated_postgres, both)
    assert query(migrated_postgres, "SELECT DISTINCT hits FROM pairs") == [(2,)]


def test_one_locked_row_stops_nobody_else(served_book: tuple[Served, str]) -> None:
    server, path = served_book
    statuses: list[int] = []
    with session(server.url) as holder:
        holder.ask("BEGIN")
        holder.ask("SELECT id FROM books FOR UPDATE")
        writers = threading.Thread(
            target=lambda: statuses.extend(a.status_code for a in patch_all(server, path, 5))
        )
        writers.start()
        began = time.monotonic()
        assert [server.client.get(path).status_code for _ in range(5)] == [200] * 5
        writers.join(30)
        assert time.monotonic() - began < limits.LOCK_SECONDS + TOLERANCE_SECONDS
        assert statuses == [503] * 5
        answer = server.client.delete(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        holder.ask("ROLLBACK")
    assert server.client.delete(path).status_code == 204


def test_a_locked_table_is_waited_for_as_briefly(served_book: tuple[Served, str]) -> None:
    server, path = served_book
    with session(server.url) as holder:
        holder.ask("BEGIN")
        holder.ask("LOCK TABLE books IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        assert server.client.get(path).status_code == 503
        assert time.monotonic() - began < limits.LOCK_SECONDS + TOLERANCE_SECONDS
        holder.ask("ROLLBACK")
    assert server.client.get(path).status_code == 200


def test_connections_lost_without_a_word_cost_one_wait(
    start: StartProcess, migrated_postgres: str
) -> None:
    """Then the process ends in time, though its connections are lost again."""
    with way_to(migrated_postgres) as (proxy, url):
        process = start(url, drain_seconds=0, shutdown_seconds=1).wait_until_ready()
        with httpx.Client(base_url=process.url, timeout=30) as client:
            assert client.get(BOOKS).status_code == 200
            proxy.forget()
            began = time.monotonic()
            assert [client.get(BOOKS).status_code for _ in range(5)] == [200] * 5
            assert time.monotonic() - began < limits.HOLD_SECONDS + TOLERANCE_SECONDS
        wait_until(lambda: process.answers("/readyz"), "a check on another connection")
        proxy.forget()
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        assert time.monotonic() - began < END_SECONDS


def test_a_new_connection_costs_no_round_trip_more_than_its_login(migrated_postgres: str) -> None:
    """Whether a pooler is between is asked with the first BEGIN."""

    async def trips(database: Database, proxy: Proxy) -> tuple[int, int]:
        counts = []
        for _ in range(3):
            before = proxy.round_trips
            assert await database.read(lambda session: session.scalar(text("SELECT 1"))) == 1
            counts.append(proxy.round_trips - before)
            if len(counts) == 2:
                database.replace_connections()
        _, kept, new = counts
        return kept, new

    with way_to(migrated_postgres) as (proxy, url):
        kept, new = on(f"{url}?sslmode=disable", lambda database: trips(database, proxy))
    assert kept == len(("BEGIN", "execute", "ROLLBACK"))
    assert new <= kept + len(("start", "SCRAM", "SCRAM again", "prepare"))


def test_a_check_survives_the_silent_loss_of_its_connection(migrated_postgres: str) -> None:
    """The same check asks again on a new one, so that no probe fails."""

    async def codes(database: Database, proxy: Proxy) -> list[tuple[bool, str]]:
        check = DatabaseCheck(database, self_test)
        seen = [await check()]
        await asyncio.to_thread(proxy.forget)
        seen.append(await check())
        return [
            (item.state is State.FAILED, item.message) for found in seen for item in found.items
        ]

    with way_to(migrated_postgres) as (proxy, url):
        found = on(url, lambda database: codes(database, proxy))
    assert not any(failed for failed, _ in found), found


def test_a_check_survives_a_reset_of_its_connection(migrated_postgres: str) -> None:
    """In the middle of an answer, when requests run their transactions again."""

    async def states(database: Database, proxy: Proxy) -> list[State]:
        check = DatabaseCheck(database, self_test)
        before = await check()
        await asyncio.to_thread(proxy.reset_next_answer)
        after = await check()
        assert proxy.resets == 1
        return [findings.items[0].state for findings in (before, after)]

    with way_to(migrated_postgres) as (proxy, url):
        seen = on(url, lambda database: states(database, proxy))
    assert State.FAILED not in seen


def test_a_reset_in_the_middle_of_an_answer_costs_no_request(served_book: Any) -> None:
    """Not the first byte of an answer came, or a part of it."""
    server, path = served_book
    with way_to(server.url) as (proxy, url), served_on(url) as behind:
        assert behind.client.get(path).status_code == 200
        for number in range(3):
            proxy.reset_next_answer()
            title = {"title": f"Title {number}"}
            assert behind.client.patch(path, json=title).json()["title"] == title["title"]
            assert proxy.resets == number + 1


def test_a_frozen_server_keeps_no_process(
    start: StartProcess, private_postgres: OwnPostgres
) -> None:
    url = private_postgres.create_database()
    apply_schema(url)
    process = start(url, drain_seconds=0, shutdown_seconds=1).wait_until_ready()
    assert httpx.get(process.url + BOOKS).status_code == 200
    private_postgres.freeze()
    threading.Thread(target=lambda: httpx.get(process.url + BOOKS, timeout=30)).start()
    wait_until(lambda: not process.answers("/readyz"), "the check to miss the server")
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert time.monotonic() - began < END_SECONDS
    assert [line["event"] for line in process.lines()][-1] == "stopped"


def test_a_read_only_database_is_told_and_read(
    start: StartProcess, postgres: Postgres, migrated_postgres: str
) -> None:
    process = start(migrated_postgres).wait_until_ready()
    name = urlsplit(migrated_postgres).path.lstrip("/")
    query(migrated_postgres, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    query(
        migrated_postgres,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    def database() -> Any:
        return process.internal("/health").json()["dependencies"]["database"]

    wait_until(lambda: database()["code"] == "database-read-only", "the check to learn of it")
    assert process.internal("/health").json()["status"] == "degraded"
    assert httpx.get(process.url + BOOKS).status_code == 200
    refused = httpx.post(process.url + BOOKS, json=BOOK)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    postgres.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")

    def accepted() -> bool:
        return httpx.post(process.url + BOOKS, json=BOOK).status_code in {201, 409}

    wait_until(accepted, "a write")


@contextmanager
def role_on(postgres: Postgres, url: str, options: str = "") -> Iterator[tuple[str, str]]:
    """Make a user with the rights on all tables; its name, and the URI as that user."""
    name = f"role_{secrets.token_hex(4)}"
    postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw' {options}")
    query(url, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
    parts = urlsplit(url)
    yield name, parts._replace(netloc=f"{name}:pw@{parts.hostname}:{parts.port}").geturl()
    query(url, f"DROP OWNED BY {name}")
    postgres.execute(f"DROP ROLE {name}")


def test_health_tells_at_once_that_writes_are_accepted_again(
    postgres: Postgres, migrated_postgres: str
) -> None:
    """A session keeps the default of its role: the check looks at it on another connection."""

    async def codes(database: Database, role: str) -> list[str]:
        check = DatabaseCheck(database, self_test)
        seen = [(await check()).items[0].code]
        await asyncio.to_thread(postgres.execute, f"ALTER ROLE {role} RESET ALL")
        return [*seen, (await check()).items[0].code]

    with role_on(postgres, migrated_postgres) as (role, url):
        postgres.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on")
        before, after = on(url, lambda database: codes(database, role))
    assert before == "database-read-only"
    assert after in {"", "database-slow"}


def test_a_server_without_connections_to_spare_is_served_by_those_there_are(
    postgres: Postgres, migrated_postgres: str
) -> None:
    """More requests than connections wait for one another; without any, each gets the reason."""

    async def ask(database: Database) -> str:
        try:
            await database.read(lambda session: session.execute(text("SELECT pg_sleep(0.05)")))
        except DatabaseUnavailableError as error:
            return error.failure.message
        return "answered"

    async def ask_all(database: Database) -> list[str]:
        return list(await asyncio.gather(*(ask(database) for _ in range(8))))

    with role_on(postgres, migrated_postgres, "CONNECTION LIMIT 2") as (role, url):
        assert on(url, ask_all) == ["answered"] * 8
        postgres.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
        began = time.monotonic()
        assert all("max_connections" in message for message in on(url, ask_all))
        assert time.monotonic() - began < limits.POOL_WAIT_SECONDS


def test_a_check_gets_a_connection_that_requests_only_keep(
    postgres: Postgres, migrated_postgres: str
) -> None:
    """After an outage, requests may have been faster to take all that the server has."""

    async def states(database: Database) -> None:
        check = DatabaseCheck(database, self_test)
        assert await database.read(lambda session: session.scalar(text("SELECT 1"))) == 1
        first = (await check()).items[0]
        assert (first.state, "max_connections" in first.message) == (State.FAILED, True)
        async with asyncio.timeout(TOLERANCE_SECONDS):
            while (await check()).items[0].state is State.FAILED:
                pass

    with role_on(postgres, migrated_postgres, "CONNECTION LIMIT 1") as (_, url):
        on(url, states)


def test_health_learns_of_writes_that_fail(migrated_postgres: str) -> None:
    """A full disk shows in no question that only reads."""

    async def codes(database: Database) -> list[str]:
        check = DatabaseCheck(database, self_test)
        seen = [(await check()).items[0].code]
        await asyncio.to_thread(
            query,
            migrated_postgres,
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$",
        )
        await asyncio.to_thread(
            query,
            migrated_postgres,
            "CREATE TRIGGER full_disk BEFORE INSERT ON books EXECUTE FUNCTION full_disk()",
        )
        with pytest.raises(DatabaseUnavailableError):
            await database.write(self_test)
        seen.append((await check()).items[0].code)
        await asyncio.to_thread(query, migrated_postgres, "DROP TRIGGER full_disk ON books")
        seen.append((await check()).items[0].code)
        return seen

    first, failing, after = on(migrated_postgres, codes)
    assert failing == "database-no-resources"
    assert {first, after} <= {"", "database-slow"}


def test_sockets_notice_a_peer_that_vanished(empty_postgres: str) -> None:
    uri = f"{empty_postgres}?keepalives_idle=21&keepalives_count=4&tcp_user_timeout=7000"

    async def options(database: Database) -> list[int]:
        async with database.health_connection() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            own = driver._transport.get_extra_info("socket")
            return [
                own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                *(
                    own.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
                    for name in (
                        "TCP_KEEPIDLE",
                        "TCP_KEEPINTVL",
                        "TCP_KEEPCNT",
                        "TCP_USER_TIMEOUT",
                    )
                ),
            ]

    assert on(uri, options) == [1, 21, 5, 4, 7000]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("sslmode=require", "sslmode"),
        ("sslmode=verify-full", "sslrootcert"),
        ("sslmode=verify-ca&sslrootcert=/nowhere.crt", "sslrootcert"),
        ("target_session_attrs=standby", "target_session_attrs"),
    ],
)
def test_the_cause_is_named_with_the_setting_that_helps(
    postgres: Postgres, parameters: str, words: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    async def message(database: Database) -> str:
        with pytest.raises(DatabaseUnavailableError) as caught:
            await database.write(raising("00000", []))
        return caught.value.failure.message

    shown = on(f"{postgres.url('postgres')}?{parameters}", message)
    assert words in shown
    assert "127.0.0.1" not in shown


def test_a_database_that_lets_nobody_in_is_told(postgres: Postgres) -> None:
    async def message(database: Database) -> str:
        with pytest.raises(DatabaseUnavailableError) as caught:
            await database.read(lambda session: session.execute(text("SELECT 1")))
        return caught.value.failure.message

    with postgres.database() as url:
        name = urlsplit(url).path.lstrip("/")
        postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        assert "ALLOW_CONNECTIONS" in on(url, message)


def test_a_sqlite_file_in_no_folder_is_told_by_what_it_is(tmp_path: Path) -> None:
    async def message(database: Database) -> str:
        with pytest.raises(DatabaseUnavailableError) as caught:
            await database.read(lambda session: session.execute(text("SELECT 1")))
        return caught.value.failure.message

    (tmp_path / "file").touch()
    for folder in ("nowhere", "file"):
        shown = on(f"sqlite:///{tmp_path}/{folder}/books.db", message)
        assert "folder" in shown
        assert "host" not in shown


def test_the_reference_has_the_limits_of_the_code() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/database.md").read_text(encoding="utf-8")
    for seconds, words in (
        (CONNECT_SECONDS, "for a new connection"),
        (limits.POOL_WAIT_SECONDS, "for one of the process's connections"),
        (limits.LOCK_SECONDS, "for a row or a table"),
        (limits.STATEMENT_SECONDS, "for one statement"),
        (limits.HOLD_SECONDS, "for all statements of one request"),
        (RESOURCES_CLOSE_SECONDS, "for closing all connections"),
        (COMMAND_CLOSE_SECONDS, "for the end of the process"),
    ):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {words}")]
        assert f"| {seconds:g} s" in row
    for state, (code, _) in TEMPORARY.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{code}` |"))
        named = {state, f"class {state[:2]}", "57P01 to 57P05" if state[:3] == "57P" else state}
        assert state == "72000" or any(name in row for name in named), state
    for name in FIXED:
        assert f"`{name}`" in page
