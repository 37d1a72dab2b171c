"""Where the programs come from: the cache, or a download with the right checksum."""

import hashlib
import io
import socket
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devcluster import binaries, download, releases, run
from devcluster.releases import Release
from tests.devcluster.support import web_server

pytestmark = [pytest.mark.devcluster, pytest.mark.usefixtures("own_cache")]


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Release]:
    """Give a release that a web server has."""
    archive = tmp_path / "site/it.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        content = b"#!/bin/sh\necho hello\n"
        member = tarfile.TarInfo("it/bin/hello")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    with web_server(archive.parent) as url:
        yield Release(
            "it", f"{url}/it.tar.gz", "sha256", digest, {"hello": "it/bin/hello"}, megabytes=1
        )


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_a_download_with_the_right_checksum_is_unpacked(release: Release, target: Path) -> None:
    download.fetch(release, target, lambda _: None)
    assert run.output([target / "hello"]) == "hello"
    assert [file.name for file in target.iterdir()] == ["hello"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"digest": "0" * 64}, "not the file that was pinned"),
        ({"members": {"hello": "no/such/member"}}, "could not be fetched"),
    ],
)
def test_anything_else_is_rejected_and_nothing_stays(
    release: Release, target: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(download.DownloadError, match=message):
        download.fetch(replace(release, **changes), target, lambda _: None)
    assert list(target.iterdir()) == []


def test_a_missing_file_is_a_download_error(release: Release, target: Path) -> None:
    missing = replace(release, url=release.url.replace("it.tar.gz", "none"))
    with pytest.raises(download.DownloadError, match="404"):
        download.fetch(missing, target, lambda _: None)


def test_whether_a_host_answers_is_known_soon(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_REACH_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        assert not download.is_reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/x")
        assert time.monotonic() - began < 3
    assert not download.is_reachable("https://no-such-host.invalid/x")
    assert download.is_reachable(f"{release.url}/anything"), "any answer will do, 404 as well"


def test_a_release_is_used_and_is_in_the_cache_after_that(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl = replace(release, members={"kubectl": "it/bin/hello"})
    monkeypatch.setattr(
        releases, "providing", lambda name, _: kubectl if name == "kubectl" else None
    )
    path = binaries.ensure(["kubectl"])["kubectl"]
    assert run.output([path]) == "hello"
    (tmp_path / "site" / "it.tar.gz").unlink()
    assert binaries.ensure(["kubectl"]) == {"kubectl": path}


@pytest.mark.parametrize("program", ["kube-apiserver", "kubelet", "kubectl", "etcd", "kind"])
@pytest.mark.parametrize("processor", ["amd64", "arm64"])
def test_pins_look_like_what_they_are(program: str, processor: str) -> None:
    release = releases.providing(program, ("linux", processor))
    assert release is not None
    assert release.url.startswith("https://")
    assert processor in release.url
    assert len(bytes.fromhex(release.digest)) == hashlib.new(release.algorithm).digest_size


def test_kubectl_alone_comes_from_the_small_archive() -> None:
    release = releases.providing("kubectl", ("linux", "amd64"))
    assert release is not None
    assert "client" in release.name
    assert releases.providing("kwok", ("linux", "amd64")) is None
    assert releases.providing("etcd", ("plan9", "mips")) is None


def test_an_unknown_program_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="no such program: emacs"):
        binaries.ensure(["emacs"])
