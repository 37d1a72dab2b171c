"""compose.yaml for real: both profiles on a Docker engine, this machine's or devcluster's."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from demo.deploy import Cluster, build_image
from tests.containers.conftest import BOOK
from tests.support.compose import compose_program

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """What compose.yaml describes, under a name of the test's own."""

    program: tuple[str, ...]
    environment: dict[str, str]
    profile: str = "sqlite"

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a compose command; the caller checks its exit code."""
        return subprocess.run(
            [*self.program, *arguments],
            cwd=ROOT,
            env=self.environment | {"COMPOSE_PROFILES": self.profile},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def up(self) -> None:
        """Start it and wait until all of it is healthy."""
        done = self("up", "--no-build", "--wait", "--wait-timeout", "120")
        assert done.returncode == 0, done.stderr + self("logs", "--tail", "30").stdout

    def states(self) -> dict[str, dict[str, Any]]:
        """Return what the engine says of each service's container."""
        ids = self("ps", "--all", "--quiet").stdout.split()
        inspected = subprocess.run(
            ["docker", "container", "inspect", *ids],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return {
            container["Config"]["Labels"]["com.docker.compose.service"]: container
            for container in json.loads(inspected.stdout)
        }

    def client(self, service: str) -> httpx.Client:
        """Return a client of a service's published port."""
        address = self("port", service, "8000").stdout.strip()
        assert address.startswith("127.0.0.1:"), "published to this machine only"
        return httpx.Client(base_url=f"http://{address}/api/v1", timeout=20)


@pytest.fixture
def project(docker_environment: dict[str, str]) -> Iterator[Project]:
    """Yield a project of its own, which is removed with its volumes."""
    environment = docker_environment | {
        "COMPOSE_PROJECT_NAME": f"compose-test-{uuid4().hex[:8]}",
        "BOOKSTORE_API_IMAGE": build_image(Cluster("compose", docker_environment), "api"),
        "BOOKSTORE_PORT": "0",
    }
    project = Project(compose_program(environment), environment)
    yield project
    replace(project, profile="*")("down", "--volumes", "--remove-orphans", "--timeout", "5")


def test_the_default_is_the_api_on_a_file_that_stays(project: Project) -> None:
    project.up()
    states = project.states()
    assert set(states) == {"api"}
    assert_confined(states)
    with project.client("api") as client:
        assert client.post("/books", json=BOOK).status_code == 201

    stopped = project("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert project.states()["api"]["State"]["ExitCode"] == 0
    assert project("down").returncode == 0
    project.up()
    with project.client("api") as client:
        assert [book["isbn"] for book in client.get("/books").json()["items"]] == [BOOK["isbn"]]


def test_the_full_profile_migrates_before_it_serves(project: Project) -> None:
    full = replace(project, profile="full")
    full.up()
    states = full.states()
    assert set(states) == {"api-postgres", "migrate", "postgres", "valkey"}
    assert_confined(states)
    migrated, serving = states["migrate"]["State"], states["api-postgres"]["State"]
    assert migrated["ExitCode"] == 0
    assert migrated["FinishedAt"] <= serving["StartedAt"]
    smoke = full("exec", "-T", "api-postgres", *SMOKE)
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    with full.client("api-postgres") as client:
        assert client.post("/books", json=BOOK).status_code == 201

    # Another password than the one that the server's volume was made with.
    assert full("down").returncode == 0
    other = replace(full, environment=full.environment | {"BOOKSTORE_DATABASE_PASSWORD": "other"})
    assert other("up", "--no-build", "--wait", "--wait-timeout", "120").returncode != 0
    states = other.states()
    assert states["migrate"]["State"]["ExitCode"] == 1
    assert "authentication-failed" in other("logs", "migrate").stdout
    assert states["api-postgres"]["State"]["Status"] == "created", "never started"

    assert full("down").returncode == 0
    full.up()
    with full.client("api-postgres") as client:
        assert [book["isbn"] for book in client.get("/books").json()["items"]] == [BOOK["isbn"]]


SMOKE = ("bookstore-api", "smoke", "--url", "http://127.0.0.1:8000")


def assert_confined(states: dict[str, dict[str, Any]]) -> None:
    """Assert that every container is unprivileged and has a read-only root."""
    for service, state in states.items():
        config, host = state["Config"], state["HostConfig"]
        assert config["User"].split(":")[0] not in {"", "0", "root"}, service
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert not host["CapAdd"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        if service != "migrate":
            assert state["State"]["Health"]["Status"] == "healthy", service
