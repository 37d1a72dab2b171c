"""P1, container consistency: with any settings a container behaves as its code does outside."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.containers.conftest import BOOK, Images
from tests.support.bookstore import command_line, wait_for
from tests.support.containers import CONFINED, REACHABLE
from tests.support.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MIGRATE = ("migrate", "--to=expand")


@dataclass(frozen=True)
class Drawn:
    """Settings as a user may have them: a database, variables, and perhaps wrong ones."""

    database: str
    variables: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)

    def settings(self, uri: str) -> dict[str, str]:
        """Return the variables, with the database's URI where it is not in a secret."""
        given = {"DRAIN_SECONDS": "0", **self.variables}
        if self.database in {"empty", "migrated"}:
            given["DATABASE_URL"] = uri
        return {f"BOOKSTORE_{name}": value for name, value in {**given, **self.wrong}.items()}


variables = st.fixed_dictionaries(
    {
        # Only development takes SQLite; the others refuse to start, in the same words.
        "ENVIRONMENT": st.sampled_from([*["development"] * 4, "staging", "production"]),
    },
    optional={
        "LOG_LEVEL": st.sampled_from(["debug", "info", "warning", "error"]),
        "LOG_FORMAT": st.sampled_from(["json", "console"]),
        "PORT": st.sampled_from(["8000", "18080"]),
        "DRAIN_SECONDS": st.sampled_from(["0", "0.2", "1"]),
        "SHUTDOWN_SECONDS": st.sampled_from(["0", "1", "20"]),
        "DATABASE_POOL_SIZE": st.integers(1, 20).map(str),
        "REVISION": st.integers(1, 999).map(str),
        "COLOR": st.sampled_from(["blue", "green"]),
        "IMAGE": st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))),
    },
)
mistakes = st.sampled_from(
    [
        {"ENVIRONMENT": "integration"},
        {"CORS_ORIGINS": "*", "ENVIRONMENT": "staging"},
        {"LOG_LEVEL": "loud"},
        {"LOG_FORMAT": "xml", "DRAIN_SECONDS": "-1"},
        {"DRAIN_SECONDS": "nan"},
        {"PORT": "eighty"},
        {"INTERNAL_PORT": "70000"},
        {"DATABASE_POOL_SIZE": "0"},
        {"DATABASE_URL": "mysql://shop@db/books"},
        {"DATABASE_URL": "postgresql://shop:secret@127.0.0.1:9/books"},
        {"DATABASE_URL": "sqlite:////nowhere/bookstore.db"},
    ]
)
drawings = st.builds(
    Drawn,
    database=st.sampled_from(["migrated", "secret", "empty", "none"]),
    variables=variables,
    wrong=st.one_of(st.just({}), mistakes),
)


@dataclass(frozen=True)
class Place:
    """Where the code runs: the command that arguments are added to, and where it will answer."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    url: str
    internal_url: str

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command of the API."""
        return subprocess.Popen(
            [*self.command, *arguments],
            env=dict(self.environment),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def outside(drawn: Drawn, folder: Path) -> Place:
    """Run this checkout's code with this Python, in the environment that the image would set."""
    port, internal = str(free_port()), str(free_port())
    of_the_image = {"LANG": "C.UTF-8", "BOOKSTORE_ENVIRONMENT": "production"}
    local = {"BOOKSTORE_HOST": "127.0.0.1", "BOOKSTORE_INTERNAL_HOST": "127.0.0.1"}
    ports = {"BOOKSTORE_PORT": port, "BOOKSTORE_INTERNAL_PORT": internal}
    given = drawn.settings(uri_in(folder)) | secrets_of(folder)
    if "PORT" not in drawn.wrong:
        given.pop("BOOKSTORE_PORT", None)
    inherited = {name: v for name, v in os.environ.items() if not name.startswith("BOOKSTORE_")}
    return Place(
        command=tuple(command_line()),
        environment={**inherited, **of_the_image, **local, **ports, **given},
        folder=folder,
        url=f"http://127.0.0.1:{port}",
        internal_url=f"http://127.0.0.1:{internal}",
    )


def inside(images: Images, drawn: Drawn, folder: Path, shown_as: Path) -> Place:
    """Run the image with a folder of this machine, at the same path as it has outside."""
    port, internal = str(free_port()), str(free_port())
    given = REACHABLE | drawn.settings(uri_in(shown_as)) | secrets_of(shown_as)
    own_port = "8000" if "PORT" in drawn.wrong else drawn.variables.get("PORT", "8000")
    return Place(
        command=(
            *("docker", "run", "--rm", *CONFINED, f"--volume={folder}:{shown_as}"),
            *(f"--publish=127.0.0.1:{port}:{own_port}", f"--publish=127.0.0.1:{internal}:8001"),
            *(f"--workdir={shown_as}", *(f"--env={name}={v}" for name, v in given.items())),
            images.api,
        ),
        environment=images.docker.environment,
        folder=folder,
        url=f"http://127.0.0.1:{port}",
        internal_url=f"http://127.0.0.1:{internal}",
    )


def uri_in(folder: Path) -> str:
    return f"sqlite:///{folder}/bookstore.db"


def secrets_of(folder: Path) -> dict[str, str]:
    return {"BOOKSTORE_SECRETS_DIR": f"{folder}/secrets"}


def prepare(drawn: Drawn, folder: Path, shown_as: Path) -> None:
    """Make a folder that any user may write to, with the secret where there is one."""
    folder.mkdir()
    folder.chmod(0o777)
    if drawn.database == "secret":
        secret = folder / "secrets/database/uri"
        secret.parent.mkdir(parents=True)
        secret.write_text(uri_in(shown_as), encoding="utf-8")


@dataclass(frozen=True)
class Behavior:
    """Everything of a process that is visible from outside."""

    migration: tuple[int, Any] | None
    exit_code: int
    sentence: str
    answers: tuple[tuple[int, Any], ...]
    log: frozenset[str]


def behavior(place: Place, *, migrated: bool) -> Behavior:
    """Migrate if asked for, serve, send requests, stop."""
    migration = None
    if migrated:
        with place.start(*MIGRATE) as migrating:
            output, _ = migrating.communicate(timeout=60)
        migration = (migrating.returncode, json.loads(output.splitlines()[-1]))
    with place.start("serve") as process:
        try:
            alive = wait_for(lambda: is_alive(place, process), "the start or the end")
            answers = tuple(ask(place)) if alive else ()
        finally:
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=60)
    log = frozenset(filter(None, map(shape_of_line, output.splitlines())))
    return Behavior(migration, process.returncode, errors, answers, log)


def is_alive(place: Place, process: subprocess.Popen[str]) -> bool | None:
    """Whether it serves, or has ended; None where that is not known yet."""
    if process.poll() is not None:
        return False
    try:
        return httpx.get(place.internal_url + "/livez", timeout=10).status_code == 200 or None
    except httpx.TransportError:
        return None


def ask(place: Place) -> list[tuple[int, Any]]:
    """Send requests to both ports; values that change every time become their types."""
    asked = [
        httpx.get(place.internal_url + "/readyz", timeout=20),
        httpx.get(place.internal_url + "/version", timeout=20),
        httpx.post(place.url + "/api/v1/books", json=BOOK, timeout=20),
    ]
    changing = {"id", "created_at", "updated_at", "instance", "signingKeys", "signingKey"}
    return [
        (
            answer.status_code,
            {name: type(v) if name in changing else v for name, v in answer.json().items()},
        )
        for answer in asked
    ]


def shape_of_line(line: str) -> str:
    """Remove the values from a log line; empty for lines of a traceback."""
    if line.startswith("{"):
        fields = json.loads(line)
        return f"{fields['logger']} {fields['level']} {fields['event']} {sorted(fields)}"
    plain = re.sub(r"\x1b\[[\d;]*m", "", line)
    return re.sub(r"=('[^']*'|\S+)", "=", plain.partition(" ")[2]) if plain[:4].isdigit() else ""


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(drawn=drawings)
@example(
    Drawn(
        "migrated",
        {"ENVIRONMENT": "dev", "REVISION": "7", "COLOR": "green", "IMAGE": "shop:“7”"},
    )
)
@example(Drawn("none"))
def test_a_container_behaves_as_its_code_does_outside(
    images: Images, tmp_path: Path, drawn: Drawn
) -> None:
    example = uuid4().hex[:8]
    own, containers = tmp_path / example, tmp_path / f"{example}-container"
    for folder in (own, containers):
        prepare(drawn, folder, shown_as=own)
    migrated = drawn.database in {"migrated", "secret"}
    expected = behavior(outside(drawn, own), migrated=migrated)
    assert behavior(inside(images, drawn, containers, own), migrated=migrated) == expected
    assert "Traceback" not in expected.sentence
