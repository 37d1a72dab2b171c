"""Where the programs come from: the cache, a download with the right checksum, or Go modules."""

import hashlib
import io
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devcluster import binaries, download, releases, run
from devcluster.releases import Release

pytestmark = pytest.mark.devcluster

LINUX = ("linux", "amd64")


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DEVCLUSTER_BUILD", raising=False)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server with an archive."""
    folder = tmp_path / "site"
    folder.mkdir()
    with tarfile.open(folder / "it.tar.gz", "w:gz") as archive:
        content = b"#!/bin/sh\necho hello\n"
        member = tarfile.TarInfo("it/bin/hello")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _release(site: str, tmp_path: Path, **changes: object) -> Release:
    archive = (tmp_path / "site" / "it.tar.gz").read_bytes()
    values: dict[str, object] = {
        "name": "it",
        "url": f"{site}/it.tar.gz",
        "algorithm": "sha256",
        "digest": hashlib.sha256(archive).hexdigest(),
        "members": {"hello": "it/bin/hello"},
        "megabytes": 1,
    }
    return Release(**{**values, **changes})  # type: ignore[arg-type]


def test_a_download_with_the_right_checksum_is_unpacked(site: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    download.fetch(_release(site, tmp_path), target, lambda _: None)
    assert run.output([target / "hello"]) == "hello"
    assert [file.name for file in target.iterdir()] == ["hello"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"digest": "0" * 64}, "not the file that was pinned"),
        ({"members": {"hello": "no/such/member"}}, "could not be fetched"),
    ],
)
def test_anything_else_is_refused_and_nothing_stays(
    site: str, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(download.DownloadError, match=message):
        download.fetch(_release(site, tmp_path, **changes), target, lambda _: None)
    assert list(target.iterdir()) == []


def test_a_missing_file_is_a_download_error(site: str, tmp_path: Path) -> None:
    with pytest.raises(download.DownloadError, match="404"):
        download.fetch(_release(site, tmp_path, url=f"{site}/none"), tmp_path, lambda _: None)


def test_whether_a_host_answers_is_known_soon(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_REACH_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        assert not download.reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/x")
        assert time.monotonic() - began < 3
    assert not download.reachable("https://no-such-host.invalid/x")
    assert download.reachable(f"{site}/anything"), "any answer will do, 404 as well"


def test_a_release_is_used_and_then_found_in_the_cache(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = _release(site, tmp_path, members={"kubectl": "it/bin/hello"})
    monkeypatch.setattr(
        releases, "providing", lambda name, _: release if name == "kubectl" else None
    )
    found = binaries.ensure(["kubectl"])["kubectl"]
    assert run.output([found]) == "hello"
    (tmp_path / "site" / "it.tar.gz").unlink()
    assert binaries.ensure(["kubectl"]) == {"kubectl": found}


@pytest.mark.parametrize("program", ["kube-apiserver", "kubelet", "kubectl", "etcd", "kind"])
@pytest.mark.parametrize("processor", ["amd64", "arm64"])
def test_pins_look_like_what_they_are(program: str, processor: str) -> None:
    release = releases.providing(program, ("linux", processor))
    assert release is not None
    assert release.url.startswith("https://")
    assert processor in release.url
    assert len(bytes.fromhex(release.digest)) == hashlib.new(release.algorithm).digest_size


def test_kubectl_alone_comes_from_the_small_archive() -> None:
    release = releases.providing("kubectl", LINUX)
    assert release is not None
    assert "client" in release.name
    assert releases.providing("kwok", LINUX) is None
    assert releases.providing("etcd", ("plan9", "mips")) is None


def test_a_program_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no such program: emacs"):
        binaries.ensure(["emacs"])
