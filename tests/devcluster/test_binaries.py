"""Where the programs come from: the cache, a download with the right checksum, or Go modules."""

import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devcluster import binaries, download, paths, releases, run, stages
from devcluster.binaries import BuildProgress
from devcluster.errors import DevclusterError
from devcluster.releases import Release

pytestmark = pytest.mark.devcluster

LINUX = ("linux", "amd64")
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")


# Where Go keeps what it compiled follows XDG_CACHE_HOME: these tests use the real one.
GO_CACHE = run.output(["go", "env", "GOCACHE"]) if shutil.which("go") else ""


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOCACHE", GO_CACHE)
    monkeypatch.delenv("DEVCLUSTER_BUILD", raising=False)


# Downloads


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


# Builds


@needs_go
def test_two_at_once_build_once_and_what_was_interrupted_is_cleaned_up() -> None:
    interrupted = paths.binaries() / f".unfinished-{_folder_name('pause')}-left"
    interrupted.mkdir(parents=True)
    (interrupted / "pause").write_text("half a program")
    code = "from devcluster import binaries; print(binaries.ensure(['pause'], build=True)['pause'])"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    results = [each.communicate(timeout=120) for each in both]
    assert [each.returncode for each in both] == [0, 0], results
    assert results[0][0] == results[1][0]
    assert sum("Building pause" in shown for _, shown in results) == 1, results
    assert [entry.name for entry in paths.binaries().iterdir()] == [_folder_name("pause")]
    assert os.access(results[0][0].strip(), os.X_OK)


def _folder_name(program: str) -> str:
    return binaries.build_folder(binaries.recipe_of(program)).name


@needs_go
def test_a_build_that_fails_leaves_nothing_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    monkeypatch.setenv("GOCACHE", str(tmp_path / "go"))
    with pytest.raises(DevclusterError) as caught:
        binaries.ensure(["kind"], build=True)
    assert "GOPROXY" in str(caught.value)
    assert list(paths.binaries().iterdir()) == []


def test_without_go_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "which", lambda _: None)
    with pytest.raises(DevclusterError, match="Go is needed to build kwok") as caught:
        binaries.ensure(["kwok"], build=True)
    assert "https://go.dev/dl" in caught.value.hint


def test_a_program_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no such program: emacs"):
        binaries.ensure(["emacs"])


def test_the_progress_of_a_build() -> None:
    told = BuildProgress(packages=3, package="example.org/it/cmd/it").told
    assert told("go: downloading example.org/x v1.0.0") == "1 modules fetched"
    assert told("internal/cpu") == "1 of at most 3 packages"
    assert told("# example.org/x") == "1 of at most 3 packages"
    assert told("example.org/it/cmd/it") == "linking"


@pytest.mark.parametrize(
    ("output", "hint"),
    [
        ("write /x: no space left on device", "disk is full"),
        ("dial tcp: lookup proxy.example: no such host", "could not be reached"),
        ("go.mod requires go >= 1.26.4 (running go 1.20)", "Install Go"),
        ("compile: signal: killed", "memory"),
        ("syntax error", "Try again"),
    ],
)
def test_a_failed_build_has_a_hint(output: str, hint: str) -> None:
    assert hint in binaries.build_hint(output)


@pytest.mark.parametrize("recipe", binaries.RECIPES, ids=lambda recipe: str(recipe.folder))
def test_every_module_is_pinned_by_checksum(recipe: binaries.Recipe) -> None:
    folder = paths.DATA / "go" / recipe.folder
    gomod = (folder / "go.mod").read_text()
    assert "=> ." not in gomod, "nothing outside the folder"
    if "require" in gomod:
        assert recipe.version in gomod
        assert " h1:" in (folder / "go.sum").read_text()


# Stages


def test_stages_are_documents_that_kwok_can_read() -> None:
    rendered = stages.render([stages.Messages("migrate", success='a "b"', failure="c")])
    documents = [json.loads(each) for each in rendered.split("\n---\n")]
    names = [document["metadata"]["name"] for document in documents]
    assert len(names) == len(set(names))
    assert {document["spec"]["resourceRef"]["kind"] for document in documents} == {"Pod", "Node"}
    assert all(document["spec"]["selector"]["matchExpressions"] for document in documents)
