"""Containers of both images, started as strictly as a cluster can: health, users, signals."""

import json
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.containers.conftest import BOOK, Images
from tests.support.bookstore import wait_for
from tests.support.containers import REACHABLE, Container
from tests.support.log_lines import validated
from tests.support.migrations import EXPANDED
from tests.support.signals import catches

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# The image's own, any other, and one as OpenShift gives them: high, in group 0.
USERS = ("", "--user=4242:4242", "--user=1000660000:0")
# An API without other servers: a SQLite file below /tmp, which `serve` migrates in development.
ALONE = {
    "BOOKSTORE_ENVIRONMENT": "development",
    **REACHABLE,
    "BOOKSTORE_DRAIN_SECONDS": "0.5",
    "BOOKSTORE_SHUTDOWN_SECONDS": "1",
}
PROMISED_SECONDS = 1.5
MARGIN_SECONDS = 5.0  # for the client and a busy machine


def options(settings: dict[str, str], *more: str) -> list[str]:
    return [*(f"--env={name}={value}" for name, value in settings.items()), *filter(None, more)]


def events(container: Container) -> list[str]:
    """The events of its log, every line of which is JSON."""
    return [json.loads(line)["event"] for line in container.logs().output.splitlines()]


@pytest.mark.parametrize("user", USERS)
def test_the_api_serves_as_any_user(images: Images, user: str) -> None:
    start = time.monotonic()
    with images.docker.running(
        images.api, options=options(ALONE, user), ports=(8000, 8001)
    ) as container:
        internal = container.wait_until_answering(8001, "/readyz")
        print(f"ready {time.monotonic() - start:.1f} s after docker run was called")
        url = container.url(8000)
        assert httpx.get(internal + "/livez").text == "ok\n"
        version = httpx.get(internal + "/version").json()
        assert version["schema"]["database"] == list(EXPANDED)
        assert httpx.post(f"{url}/api/v1/books", json=BOOK).status_code == 201
        assert [b["isbn"] for b in httpx.get(f"{url}/api/v1/books").json()["items"]] == [
            BOOK["isbn"]
        ]
        asked = time.monotonic()
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert time.monotonic() - asked < PROMISED_SECONDS + MARGIN_SECONDS
        assert events(container)[-2:] == ["draining", "stopped"]


def test_an_unfinished_request_does_not_hold_up_the_end(images: Images) -> None:
    with images.docker.running(images.api, options=options(ALONE), ports=(8000, 8001)) as container:
        container.wait_until_answering(8001, "/readyz")
        host, _, port = container.url(8000).removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            head = "POST /api/v1/books HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            connection.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
            asked = time.monotonic()
            container.signal(signal.SIGTERM)
            assert container.wait() == 0
            took = time.monotonic() - asked
    assert took < PROMISED_SECONDS + MARGIN_SECONDS


@pytest.mark.parametrize("part", ["api", "operator"], ids="bookstore-{}".format)
def test_a_signal_while_the_code_is_loaded_is_not_lost(images: Images, part: str) -> None:
    """The kernel drops what a container's first process has no handler for."""
    patient = ALONE | {"BOOKSTORE_DRAIN_SECONDS": "300"}
    with images.docker.running(images.of(part), options=options(patient)) as container:
        start = time.monotonic()
        pid = container.state["Pid"]
        if not Path(f"/proc/{pid}").exists():
            pytest.skip("the engine is on another machine or in a virtual one")
        wait_for(lambda: catches(pid, signal.SIGTERM) or None, "its handlers")
        print(f"{part} listens {time.monotonic() - start:.2f} s after its start was reported")
        container.signal(signal.SIGTERM)
        assert container.wait(20) == 0
        assert "Traceback" not in container.logs().errors


def test_the_api_does_not_start_without_a_database(images: Images) -> None:
    ended = images.docker.run(images.api)
    assert ended.code == 1
    assert "BOOKSTORE_DATABASE_URL" in ended.errors
    assert "BOOKSTORE_STAFF_TOKEN" in ended.errors
    assert "Traceback" not in ended.errors


def test_the_api_shows_its_settings_with_the_image_s_own_defaults(images: Images) -> None:
    ended = images.docker.run(images.api, "config", "--format=json")
    assert ended.code == 1
    rows = {row["variable"]: row for row in json.loads(ended.output)["settings"]}
    environment, host = rows["BOOKSTORE_ENVIRONMENT"], rows["BOOKSTORE_HOST"]
    assert (environment["value"], environment["source"]) == ("production", "BOOKSTORE_ENVIRONMENT")
    assert (host["value"], host["source"]) == (REACHABLE["BOOKSTORE_HOST"], "production.toml")


def test_the_operator_does_not_start_without_a_cluster(images: Images) -> None:
    ended = images.docker.run(images.operator)
    assert ended.code == 1
    assert "--kubeconfig" in validated(ended.errors.splitlines())[-1]["event"]


@pytest.mark.parametrize("user", USERS)
def test_the_operator_is_live_and_stops_while_its_cluster_is_away(
    images: Images, user: str, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(kubeconfig_of("http://127.0.0.1:9")))
    kubeconfig.chmod(0o644)
    given = options({"KUBECONFIG": "/kubeconfig"}, f"--volume={kubeconfig}:/kubeconfig:ro", user)
    with images.docker.running(images.operator, options=given, ports=(8080,)) as container:
        url = container.wait_until_answering(8080, "/livez")
        assert httpx.get(url + "/readyz").status_code == 503
        asked = time.monotonic()
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert time.monotonic() - asked < MARGIN_SECONDS
        validated(container.logs().errors.splitlines())


def kubeconfig_of(server: str) -> dict[str, object]:
    return {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
