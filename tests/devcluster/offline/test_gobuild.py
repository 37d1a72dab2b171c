"""Programs built from Go modules."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster import binaries, paths, run
from devcluster.errors import DevclusterError
from devcluster.offline import gobuild
from devcluster.offline.gobuild import BuildProgress

pytestmark = pytest.mark.devcluster

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
# Where Go keeps what it compiled follows XDG_CACHE_HOME: these tests use the real one.
GO_CACHE = run.output(["go", "env", "GOCACHE"]) if shutil.which("go") else ""


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOCACHE", GO_CACHE)
    monkeypatch.delenv("DEVCLUSTER_BUILD", raising=False)


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
    return gobuild.build_folder(gobuild.recipe_of(program)).name


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
    assert hint in gobuild.build_hint(output)


@pytest.mark.parametrize("recipe", gobuild.RECIPES, ids=lambda recipe: str(recipe.folder))
def test_every_module_is_pinned_by_checksum(recipe: gobuild.Recipe) -> None:
    folder = paths.DATA / "go" / recipe.folder
    gomod = (folder / "go.mod").read_text()
    assert "=> ." not in gomod, "nothing outside the folder"
    if "require" in gomod:
        assert recipe.version in gomod
        assert " h1:" in (folder / "go.sum").read_text()
