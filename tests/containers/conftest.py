"""The images, built as the demo builds them, on this machine's engine or devcluster's."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from demo.deploy import Cluster, build_image
from devcluster import kindcluster, offline
from devcluster.engine import EngineChoice
from devcluster.images import Role
from tests.support.containers import Docker
from tests.support.shared import folder_of_the_run, shared

# Where a run was killed: devcluster down --name container-tests
ENGINE_USER = "container-tests"
PARTS = ("api", "operator", "backup")
BOOK = {
    "title": "Kindred",
    "authors": ["Octavia E. Butler"],
    "isbn": "9780807083697",
    "price": {"amount": "12.50", "currency": "USD"},
}


@pytest.fixture(scope="session")
def docker_environment(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[dict[str, str]]:
    """Give what makes docker use an engine, with the names of base images there."""
    folder = folder_of_the_run(tmp_path_factory, worker_id)
    with shared(ENGINE_USER, folder, start_engine, release_engine) as variables:
        yield {**os.environ, **variables}


def start_engine() -> dict[str, str]:
    """Start the private engine where there is no other; return the variables to use one."""
    choice = EngineChoice.from_environment()
    own, _ = kindcluster.choose(choice)
    if own is None:
        offline.start_engine(ENGINE_USER)  # no cluster decides when it ends
    return kindcluster.image_environment([Role.BASE, Role.POSTGRES, Role.VALKEY], choice)


def release_engine() -> None:
    """Stop the private engine if it was started and no cluster needs it."""
    offline.release_engine(ENGINE_USER)


@dataclass(frozen=True)
class Images:
    """The three images, and the engine that they are in."""

    docker: Docker
    cluster: Cluster = field(repr=False)
    api: str
    operator: str
    backup: str

    def of(self, part: str) -> str:
        """Return the image of one of PARTS."""
        return {"api": self.api, "operator": self.operator, "backup": self.backup}[part]


@pytest.fixture(scope="session")
def images(docker_environment: dict[str, str]) -> Images:
    """Build the images."""
    cluster = Cluster(ENGINE_USER, docker_environment)
    api, operator, backup = (build_image(cluster, part) for part in PARTS)
    return Images(Docker(docker_environment), cluster, api, operator, backup)
