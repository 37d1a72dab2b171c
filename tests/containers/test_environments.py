"""P1, container consistency: one image in development, staging and production, as documented."""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.containers.conftest import BOOK, Images
from tests.support.bookstore import wait_for
from tests.support.containers import REACHABLE, Container
from tests.support.log_lines import validated

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ENVIRONMENTS = ("development", "staging", "production")
DEPLOYED = ("staging", "production")
STAFF_TOKEN = secrets.token_urlsafe(32)
SECRETS = "/run/secrets/bookstore"


@dataclass(frozen=True)
class Servers:
    """PostgreSQL and Valkey in containers, on a network that the API's containers join."""

    network: str
    database_uri: str = field(repr=False)
    redis_uri: str = field(repr=False)


@pytest.fixture(scope="module")
def servers(images: Images) -> Iterator[Servers]:
    """Start both, with random passwords."""
    docker = images.docker
    network = f"environments-{secrets.token_hex(4)}"
    password = secrets.token_urlsafe(24)
    as_user = "uid=999,gid=999"
    postgres = [
        *(f"--network={network}", "--network-alias=postgres", "--user=999:999"),
        *(f"--tmpfs=/run/postgresql:{as_user}", f"--tmpfs=/var/lib/postgresql:{as_user}"),
        *("--env=POSTGRES_USER=shop", "--env=POSTGRES_DB=shop"),
        f"--env=POSTGRES_PASSWORD={password}",
    ]
    valkey = [f"--network={network}", "--network-alias=valkey", "--user=999:999"]
    with ExitStack() as stack:
        docker("network", "create", network)
        stack.callback(docker, "network", "rm", network)
        database = stack.enter_context(
            docker.running(docker.environment["POSTGRES_IMAGE"], options=postgres)
        )
        stack.enter_context(
            docker.running(
                docker.environment["VALKEY_IMAGE"],
                *("--requirepass", password, "--save", ""),
                options=[*valkey, f"--tmpfs=/data:{as_user}"],
            )
        )
        ready = ("exec", database.name, "pg_isready", "--quiet", "--host=127.0.0.1")
        wait_for(lambda: docker.ended(*ready).code == 0 or None, "PostgreSQL", seconds=60)
        yield Servers(
            network,
            f"postgresql://shop:{password}@postgres/shop",
            f"redis://:{password}@valkey:6379/0",
        )


@pytest.fixture
def secrets_folder(servers: Servers, tmp_path: Path) -> Path:
    """Return a folder with all secrets, as the operator mounts them."""
    for name, secret in {
        "database/uri": servers.database_uri,
        "redis/uri": servers.redis_uri,
        "staff/token": STAFF_TOKEN,
    }.items():
        file = tmp_path / "secrets" / name
        file.parent.mkdir(parents=True)
        file.write_text(secret, encoding="utf-8")
    return tmp_path / "secrets"


def options(environment: str, **settings: str) -> list[str]:
    """Return docker options with settings; no drain, as no load balancer has to notice."""
    given = {"ENVIRONMENT": environment, "DRAIN_SECONDS": "0", **settings}
    variables = REACHABLE | {f"BOOKSTORE_{name}": value for name, value in given.items()}
    return [f"--env={name}={value}" for name, value in variables.items()]


def validated_log(container: Container) -> list[dict[str, Any]]:
    """Return its log lines, each validated against the published schema."""
    logs = container.logs()
    return validated((logs.output + logs.errors).splitlines())


def dependencies(internal: str) -> dict[str, str]:
    """Return the state of each dependency, as /health has it."""
    report = httpx.get(f"{internal}/health", timeout=20).json()["dependencies"]
    return {name: dependency["state"] for name, dependency in report.items()}


def metric(internal: str, name: str) -> float:
    """Return the sum of a metric's samples."""
    text = httpx.get(f"{internal}/metrics", timeout=20).text
    values = [line.split()[-1] for line in text.splitlines() if line.startswith(name)]
    return sum(map(float, values))


def test_development_needs_no_settings(images: Images) -> None:
    with images.docker.running(
        images.api, options=options("development"), ports=(8000, 8001)
    ) as container:
        internal = container.wait_until_answering(8001, "/readyz")
        public = container.url(8000)
        assert httpx.post(f"{public}/api/v1/books", json=BOOK).status_code == 201
        assert set(dependencies(internal)) == {"database", "schema", "disk"}
        wait_for(
            lambda: set(dependencies(internal).values()) == {"ok"} or None,
            "all dependencies to be ok",
        )
        assert metric(internal, "bookstore_http_requests_total{") == 1
        assert httpx.get(f"{public}/docs").status_code == 200
        log = validated_log(container)
        assert any(line["level"] == "warning" and "staff" in line["event"] for line in log)


@pytest.mark.parametrize("environment", DEPLOYED)
def test_a_deployed_environment_does_not_start_without_settings(
    images: Images, environment: str
) -> None:
    ended = images.docker.run(images.api, options=options(environment))
    assert ended.code == 1
    for variable in ("BOOKSTORE_DATABASE_URL", "BOOKSTORE_STAFF_TOKEN"):
        assert variable in ended.errors
    assert "Traceback" not in ended.errors


@pytest.mark.parametrize("environment", DEPLOYED)
def test_a_deployed_environment_rejects_development_settings(
    images: Images, environment: str
) -> None:
    """All at once, each by its name and none by its value."""
    wrong = {
        "DATABASE_URL": "sqlite:////tmp/books.db",
        "STAFF_TOKEN": "changeme",
        "CORS_ORIGINS": "*",
        "DEBUG": "true",
        "LOG_LEVEL": "deafening",
    }
    ended = images.docker.run(images.api, options=options(environment, **wrong))
    assert ended.code == 1
    rejected = set(wrong) - ({"DEBUG"} if environment == "staging" else set())
    assert {name for name in wrong if f"BOOKSTORE_{name}:" in ended.errors} == rejected
    assert not any(value in ended.errors for value in ("books.db", "changeme", "deafening"))


@pytest.mark.parametrize("environment", DEPLOYED)
def test_a_deployed_environment_serves_with_its_secrets_mounted(
    images: Images, servers: Servers, secrets_folder: Path, environment: str
) -> None:
    given = [
        *options(environment, REVISION="7", COLOR="green"),
        *(f"--network={servers.network}", f"--volume={secrets_folder}:{SECRETS}:ro"),
    ]
    migrated = images.docker.run(images.api, "migrate", "--to=expand", options=given)
    assert migrated.code == 0, migrated.errors
    with images.docker.running(images.api, options=given, ports=(8000, 8001)) as container:
        internal = container.wait_until_answering(8001, "/readyz")
        # A busy machine may report a slow answer for a moment.
        wait_for(
            lambda: set(dependencies(internal).values()) == {"ok"} or None,
            "all dependencies to be ok",
        )
        books = f"{container.url(8000)}/api/v1/books"
        with httpx.Client(timeout=20) as client:
            assert client.post(books, json=BOOK).status_code == 401
            bearer = {"Authorization": f"Bearer {STAFF_TOKEN}"}
            created = client.post(books, json=BOOK, headers=bearer)
            assert created.status_code == 201
            assert created.headers["RateLimit-Policy"].startswith('"writes"')
            assert created.headers["X-Content-Type-Options"] == "nosniff"
            assert "server" not in created.headers
            at = f"{books}/{created.json()['id']}"
            assert client.delete(at, headers=bearer).status_code == 204
        assert metric(internal, "bookstore_http_requests_total{") == 3
        assert metric(internal, "bookstore_redis_up") == 1
        log = validated_log(container)
        assert {(line["revision"], line["color"]) for line in log} == {("7", "green")}
        assert STAFF_TOKEN not in json.dumps(log)
        smoked = images.docker.run(
            images.api, "smoke", f"--url={container_url(container)}", options=given
        )
        assert smoked.code == 0, smoked.output


def container_url(container: Container) -> str:
    """Return the URL of a container on its own network."""
    networks = container.docker.inspect(container.name)["NetworkSettings"]["Networks"]
    (address,) = (network["IPAddress"] for network in networks.values())
    return f"http://{address}:8000"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_config_shows_the_settings_without_secrets(
    images: Images, servers: Servers, secrets_folder: Path, environment: str
) -> None:
    given = [*options(environment), f"--volume={secrets_folder}:{SECRETS}:ro"]
    shown = images.docker.run(images.api, "config", "--format=json", options=given)
    assert shown.code == 0, shown.errors
    rows = {row["variable"]: row for row in json.loads(shown.output)["settings"]}
    assert rows["BOOKSTORE_ENVIRONMENT"]["value"] == environment
    assert rows["BOOKSTORE_STAFF_TOKEN"]["source"] == f"{SECRETS}/staff/token"
    for secret in (STAFF_TOKEN, servers.database_uri, servers.redis_uri):
        assert secret not in shown.output
