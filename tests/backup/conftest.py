"""A database with content, an object store, and a place for backups."""

from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from bookstore_backup.model.manifest import Manifest
from bookstore_backup.postgres.connection import Database
from bookstore_backup.postgres.programs import find_tools
from bookstore_backup.storage.repository import Repository
from bookstore_backup.storage.target import Target
from bookstore_backup.storage.volume import Volume
from bookstore_backup.work.create import Order, create_backup
from bookstore_backup.work.workplace import Workplace
from tests.backup.support import CONTENT, STORE
from tests.support.own_server import ServerMissingError
from tests.support.postgres import OwnPostgres, own_postgres, query
from tests.support.versitygw import Versitygw, own_versitygw

hypothesis.settings.register_profile(
    "backup", deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)
hypothesis.settings.load_profile("backup")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.backup)


@pytest.fixture(scope="session")
def server() -> Iterator[OwnPostgres]:
    try:
        with own_postgres() as running:
            yield running
    except ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def tools(server: OwnPostgres) -> dict[int, str]:
    return find_tools([server.binaries])


@pytest.fixture(scope="session")
def filled_template(server: OwnPostgres) -> str:
    """The name of a database with content, which nobody is connected to."""
    url = server.create_database()
    for statement in CONTENT:
        query(url, statement)
    return Database.of(url).name


@pytest.fixture
def database(server: OwnPostgres, filled_template: str) -> Iterator[str]:
    """The URI of a database with content."""
    with server.database(filled_template) as url:
        yield url


@pytest.fixture
def empty(server: OwnPostgres) -> Iterator[str]:
    with server.database() as url:
        yield url


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versitygw]:
    with own_versitygw(tmp_path_factory.mktemp("versitygw")) as running:
        yield running


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


@pytest.fixture
def place(tools: dict[int, str]) -> Callable[[Target], Workplace]:
    """Make a workplace with a target."""
    return lambda target: Workplace(Repository(target, STORE), tools, lock_wait=5)


@pytest.fixture
def workplace(place: Callable[[Target], Workplace], volume: Path) -> Workplace:
    return place(Volume(volume))


@pytest.fixture
def backup(workplace: Workplace, database: str) -> Manifest:
    """A backup on the volume, in several parts."""
    return create_backup(workplace, Order(Database.of(database), "test", size=lambda _: 4096))
