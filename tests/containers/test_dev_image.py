"""The dev loop of skaffold.yaml, its sync done by hand: there is no skaffold here."""

import io
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
VERSION = (
    "import json, urllib.request as r;"
    "print(json.load(r.urlopen('http://127.0.0.1:8001/version', timeout=3))['version'])"
)


@dataclass(frozen=True)
class Container:
    """A container that runs."""

    name: str
    environment: dict[str, str]

    def exec(self, *command: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command in it."""
        return docker("exec", "-i", self.name, *command, environment=self.environment, given=given)

    def wait_for_version(self, version: str) -> None:
        """Wait until the code with this version answers."""
        deadline = time.monotonic() + 60
        while (answer := self.exec("python", "-c", VERSION).stdout.decode().strip()) != version:
            assert time.monotonic() < deadline, f"{answer!r} is served, {version!r} is not"


def docker(
    *arguments: str, environment: dict[str, str], given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run docker; how it went is the caller's to look at."""
    return subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        env=environment | {"DOCKER_BUILDKIT": "1"},
        input=given,
        capture_output=True,
        check=False,
    )


@pytest.fixture
def developed(docker_environment: dict[str, str]) -> Iterator[Container]:
    """Build what the dev profile builds and run it as the operator's Pods do."""
    (profile,) = skaffold_api()["profiles"]
    target = profile["patches"][0]["value"]
    image, name = "localhost/bookstore-api:dev-test", f"dev-test-{uuid4().hex[:8]}"
    base = docker_environment["BASE_IMAGE"]
    built = docker(
        *("build", "--network=host", "--file=Dockerfile.api", f"--target={target}"),
        *(f"--build-arg=BASE_IMAGE={base}", f"--tag={image}", "."),
        environment=docker_environment,
    )
    assert built.returncode == 0, built.stderr.decode()[-3000:]
    started = docker(
        *("run", "--detach", "--name", name, "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"),
        *("--env=BOOKSTORE_ENVIRONMENT=development", image, "serve"),
        environment=docker_environment,
    )
    assert started.returncode == 0, started.stderr.decode()
    yield Container(name, docker_environment)
    docker("rm", "--force", name, environment=docker_environment)


def test_a_synced_file_is_served(developed: Container) -> None:
    source = "api/bookstore_api/__init__.py"
    developed.wait_for_version(version_of(developed))
    changed = (ROOT / source).read_bytes() + b'__version__ = "9.9.9"\n'
    # As skaffold does it: a tar of the changed files, unpacked by the container's own tar.
    synced = developed.exec(
        *("tar", "xmf", "-", "-C", "/", "--no-same-owner"), given=sync_archive(source, changed)
    )
    assert synced.returncode == 0, synced.stderr.decode()
    developed.wait_for_version("9.9.9")


def version_of(container: Container) -> str:
    """Ask the image's program for its version."""
    return container.exec("bookstore-api", "--version").stdout.decode().split()[-1]


def sync_archive(source: str, content: bytes) -> bytes:
    """Pack one file for where skaffold.yaml's rules put it."""
    (profile,) = skaffold_api()["profiles"]
    rules = profile["patches"][1]["value"]["manual"]
    rule = next(rule for rule in rules if Path(source).match(rule["src"]))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(f"{rule['dest']}/{source.removeprefix(rule['strip'])}".lstrip("/"))
        entry.size, entry.mode = len(content), 0o644
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def skaffold_api() -> dict[str, Any]:
    """Return skaffold's configuration of the API."""
    configs = yaml.safe_load_all((ROOT / "skaffold.yaml").read_text())
    config: dict[str, Any] = next(c for c in configs if c["metadata"]["name"] == "bookstore")
    return config
