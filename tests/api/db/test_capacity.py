"""How many connections PostgreSQL allows, and how many others hold, as check-schema reports it."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bookstore_api.process.result import MAX_BYTES
from tests.support.bookstore import apply_schema, environment, run_command
from tests.support.postgres import OwnPostgres, query, session


def _connections(url: str, folder: Path) -> Any:
    ended = run_command("check-schema", env=environment(url, folder), cwd=folder)
    assert ended.outcome["code"] == "current", ended.errors
    assert len(ended.output.splitlines()[-1]) <= MAX_BYTES
    return ended.outcome["connections"]


def test_connections_of_others_are_told_from_ones_own(
    private_postgres: OwnPostgres, tmp_path: Path
) -> None:
    url = private_postgres.create_database()
    apply_schema(url)
    (limit,) = (int(row[0]) for row in query(url, "SHOW max_connections"))
    (reserved,) = (int(row[0]) for row in query(url, "SHOW superuser_reserved_connections"))
    before = _connections(url, tmp_path)
    assert before["server"]["limit"] == limit - reserved
    assert before["pooled"] is False
    with ExitStack() as stack:
        stack.enter_context(session(f"{url}?application_name=bookstore-api"))
        stack.enter_context(session(f"{url}?application_name=pg_dump"))
        stack.enter_context(session(private_postgres.url("postgres")))
        after = _connections(url, tmp_path)
    assert after["server"]["heldByOthers"] == before["server"]["heldByOthers"] + 2
    assert after["role"]["heldByOthers"] == before["role"]["heldByOthers"] + 2
    assert after["database"]["heldByOthers"] == before["database"]["heldByOthers"] + 1


def test_limits_of_the_role_and_the_database_are_reported(
    private_postgres: OwnPostgres, tmp_path: Path
) -> None:
    url = private_postgres.create_database()
    name = url.rpartition("/")[2]
    private_postgres.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 17')
    private_postgres.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'x' CONNECTION LIMIT 5")
    private_postgres.execute(f'ALTER DATABASE "{name}" OWNER TO "{name}"')
    own = f"postgresql://{name}:x@{url.partition('@')[2]}"
    apply_schema(own)
    connections = _connections(own, tmp_path)
    assert connections["role"] == {"limit": 5, "heldByOthers": 0}
    assert connections["database"] == {"limit": 17, "heldByOthers": 0}


def test_sqlite_has_no_limit_of_connections(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/books.db"
    apply_schema(url)
    ended = run_command("check-schema", env=environment(url, tmp_path), cwd=tmp_path)
    assert "connections" not in json.loads(ended.output.splitlines()[-1])
