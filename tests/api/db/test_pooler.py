"""A real PgBouncer between the API and PostgreSQL, in session and in transaction mode."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from bookstore_api.db.errors import DatabaseUnavailableError
from bookstore_api.db.sessions import open_database
from bookstore_api.health.checks import DatabaseCheck
from bookstore_api.health.finding import State
from bookstore_api.settings import Settings
from bookstore_api.shop.domains import self_test
from tests.api.conftest import or_skipped
from tests.support.bookstore import environment, run_command, served_on
from tests.support.pgbouncer import PgBouncer, running_pgbouncer

BOOKS = "/api/v1/books"


@pytest.fixture(params=["session", "transaction"])
def pooler(request: pytest.FixtureRequest, migrated_postgres: str) -> Iterator[PgBouncer]:
    with or_skipped(running_pgbouncer(migrated_postgres, request.param)) as running:
        yield running


def test_requests_and_health_work_through_a_pooler(pooler: PgBouncer) -> None:
    book = {"title": "T", "authors": ["A"], "price": {"amount": "1", "currency": "EUR"}}
    with served_on(pooler.url) as server:
        created = server.client.post(BOOKS, json={"isbn": "9780132350884", **book})
        assert created.status_code == 201
        statuses: Counter[int] = Counter()

        def ask() -> None:
            for number in range(12):
                path = created.headers["location"]
                statuses[server.client.get(BOOKS).status_code] += 1
                change: Any = {"title": f"T {number}"}
                statuses[server.client.patch(path, json=change).status_code] += 1

        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert statuses == {200: 120}

    async def check() -> None:
        database = open_database(Settings.model_validate({"database_url": pooler.url}))
        checks = DatabaseCheck(database, self_test)
        for _ in range(2):
            assert {item.state for item in (await checks()).items} <= {State.OK, State.DEGRADED}
        await database.close()

    asyncio.run(check())


def test_check_schema_tells_that_a_pooler_is_between(pooler: PgBouncer, tmp_path: Path) -> None:
    ended = run_command("check-schema", env=environment(pooler.url, tmp_path), cwd=tmp_path)
    assert ended.code == 0, ended.outcome
    assert ended.outcome["connections"]["pooled"] is True


def test_what_a_pooler_refuses_is_told_apart(migrated_postgres: str) -> None:
    """It has one code for all of it."""

    async def message(url: str) -> str:
        database = open_database(Settings.model_validate({"database_url": url}))
        try:
            with pytest.raises(DatabaseUnavailableError) as caught:
                await database.read(lambda session: session.execute(text("SELECT 1")))
        finally:
            await database.close()
        return f"{caught.value.failure.code}: {caught.value.failure.message}"

    with or_skipped(running_pgbouncer(migrated_postgres, "statement")) as pooler:
        parts = urlsplit(pooler.url)
        wrong = parts._replace(netloc=f"{parts.username}:wrong@127.0.0.1:{parts.port}")
        nobody = parts._replace(netloc=f"nobody:wrong@127.0.0.1:{parts.port}")
        for url, expected in (
            (parts, "unreachable: The connection pooler is in statement mode"),
            (wrong, "authentication-failed: The connection pooler rejected the user"),
            (nobody, "authentication-failed: The connection pooler rejected the user"),
            (parts._replace(path="/nowhere"), "unreachable: The connection pooler knows no"),
        ):
            assert asyncio.run(message(url.geturl())).startswith(expected)


@pytest.mark.parametrize(("mode", "code"), [("session", 0), ("transaction", 1)])
def test_a_migration_needs_a_session(
    empty_postgres: str, tmp_path: Path, mode: Any, code: int
) -> None:
    """Its lock is the session's, and so a pooler in transaction mode is refused by name."""
    with or_skipped(running_pgbouncer(empty_postgres, mode)) as pooler:
        for url, expected in ((pooler.url, code), (empty_postgres, 0)):
            env = environment(pooler.url, tmp_path, database_direct_url=url)
            ended = run_command("migrate", "--to", "expand", env=env, cwd=tmp_path)
            assert ended.code == expected, ended.outcome
            if expected:
                assert "BOOKSTORE_DATABASE_DIRECT_URL" in ended.outcome["message"]
