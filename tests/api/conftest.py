"""Databases and servers for the API's tests: every test that asks for one runs on both kinds."""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import hypothesis
import pytest

from bookstore_api.db.schema.tree import Branch
from bookstore_api.settings import Settings
from bookstore_api.telemetry.logging import configure_logging
from tests.support.bookstore import (
    UNLIMITED,
    Process,
    Served,
    StartProcess,
    apply_schema,
    environment,
    execute,
    served_on,
)
from tests.support.own_server import ServerMissingError
from tests.support.postgres import OwnPostgres, Postgres, own_postgres, running_postgres
from tests.support.valkey import Valkey, own_valkey

# On a busy machine an example may take any time.
hypothesis.settings.register_profile(
    "api", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("api")
HERE = Path(__file__).parent
T = TypeVar("T")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.api)


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("BOOKSTORE_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def logs_like_a_container() -> None:
    configure_logging(Settings.model_validate({"log_format": "json"}), stream=io.StringIO())


@contextmanager
def or_skipped(server: AbstractContextManager[T]) -> Iterator[T]:
    """Start a server for the block; skip where the wheel that brings it is not installed."""
    try:
        with server as running:
            yield running
    except ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with or_skipped(running_postgres()) as server:
        yield server


@pytest.fixture
def private_postgres() -> Iterator[OwnPostgres]:
    """A server that the test may stop."""
    with or_skipped(own_postgres()) as server:
        yield server


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    with or_skipped(own_valkey()) as server:
        yield server


@pytest.fixture
def valkey(shared_valkey: Valkey) -> Valkey:
    """A Redis-compatible server with nothing in it, which other tests use after this one."""
    with shared_valkey.client() as client:
        client.flushall()
    return shared_valkey


@pytest.fixture
def private_valkey() -> Iterator[Valkey]:
    """One that the test may stop."""
    with or_skipped(own_valkey()) as server:
        yield server


@pytest.fixture
def empty_postgres(postgres: Postgres) -> Iterator[str]:
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of a database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'books.db'}"
    url: str = request.getfixturevalue("empty_postgres")
    return url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "books.db"
    for branch in Branch:
        apply_schema(f"sqlite:///{path}", branch)
    return path


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres) -> Iterator[str]:
    """The name of a migrated database that others are copied from."""
    with postgres.database() as url:
        for branch in Branch:
            apply_schema(url, branch)
        yield url.rpartition("/")[2]


@pytest.fixture
def migrated_postgres(postgres: Postgres, migrated_template: str) -> Iterator[str]:
    with postgres.database(migrated_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of a database with the whole schema and no books."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "books.db")
        return f"sqlite:///{tmp_path / 'books.db'}"
    migrated: str = request.getfixturevalue("migrated_postgres")
    return migrated


def settings_for(url: str, folder: Path) -> Settings:
    return Settings.model_validate(
        {"database_url": url, "secrets_dir": folder / "no-secrets", **UNLIMITED}
    )


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    return settings_for(url, tmp_path)


@pytest.fixture
def sqlite_settings(migrated_file: Path, tmp_path: Path) -> Settings:
    """Settings for what is the same on every database."""
    shutil.copy(migrated_file, tmp_path / "books.db")
    return settings_for(f"sqlite:///{tmp_path / 'books.db'}", tmp_path)


@pytest.fixture(scope="session")
def sqlite_server(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("served") / "books.db"
    shutil.copy(migrated_file, path)
    with served_on(f"sqlite:///{path}") as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_server(postgres: Postgres, migrated_template: str) -> Iterator[Served]:
    with postgres.database(migrated_template) as url, served_on(url) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest) -> httpx.Client:
    """A client of the API, served by a real server on an empty catalog."""
    server: Served = request.getfixturevalue(f"{request.param}_server")
    execute(server.url, "DELETE FROM books")
    return server.client


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartProcess]:
    """Start `bookstore-api serve` with settings; it is ended after the test."""
    processes: list[Process] = []

    def start_process(url: str | None, **settings: object) -> Process:
        process = Process(environment(url, tmp_path, **settings), tmp_path)
        processes.append(process)
        return process

    yield start_process
    for process in processes:
        process.close()
