"""Programs built from Go modules."""

import os
from pathlib import Path

import pytest

from devcluster import binaries, paths, run
from devcluster.errors import DevclusterError
from devcluster.offline import gobuild
from devcluster.offline.gobuild import BuildProgress
from tests.devcluster.support import needs_go, python, start, until, write_program

pytestmark = [pytest.mark.devcluster, pytest.mark.usefixtures("own_cache")]

BUILD = python(
    "from devcluster import binaries; print(binaries.ensure(['pause'], build=True)['pause'])"
)
GO = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho whole\\n' > "$2"
chmod +x "$2"
"""
GO_THAT_HALTS = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
echo half > "$2"
touch {halted}
while [ ! -e {go_on} ]; do sleep 0.05; done
echo 'the end of a build that nobody waits for'
"""


@needs_go
def test_two_at_once_build_once_and_what_was_interrupted_is_cleaned_up() -> None:
    folder = gobuild.built_program("pause").parent
    interrupted = paths.binaries() / f".unfinished-{folder.name}-left"
    interrupted.mkdir(parents=True)
    (interrupted / "pause").write_text("half a program")
    both = [start(BUILD) for _ in range(2)]
    printed = [build.communicate(timeout=120)[0] for build in both]
    assert [build.returncode for build in both] == [0, 0], printed
    programs = {lines.splitlines()[-1] for lines in printed}
    assert programs == {str(folder / "pause")}
    assert sum("Building pause" in lines for lines in printed) == 1, printed
    assert list(paths.binaries().iterdir()) == [folder]
    assert os.access(folder / "pause", os.X_OK)


def test_half_a_build_is_never_used(tmp_path: Path) -> None:
    halted, go_on = tmp_path / "halted", tmp_path / "go-on"
    write_program(tmp_path / "first/go", GO_THAT_HALTS.format(halted=halted, go_on=go_on))
    write_program(tmp_path / "second/go", GO)
    with start(BUILD, PATH=f"{tmp_path / 'first'}:{os.environ['PATH']}") as first:
        until(halted.exists)
        first.kill()

    with start(BUILD, PATH=f"{tmp_path / 'second'}:{os.environ['PATH']}") as second:
        assert second.stdout is not None
        assert "left running" in second.stdout.readline(), "the first build is still writing"
        go_on.touch()
        printed, _ = second.communicate(timeout=60)

    assert second.returncode == 0, printed
    program = Path(printed.splitlines()[-1])
    assert run.output([program]) == "whole"
    assert list(paths.binaries().iterdir()) == [program.parent]


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
    count = BuildProgress(packages=3, package="example.org/it/cmd/it").count
    assert count("go: downloading example.org/x v1.0.0") == "1 modules fetched"
    assert count("internal/cpu") == "1 of at most 3 packages"
    assert count("# example.org/x") == "1 of at most 3 packages"
    assert count("example.org/it/cmd/it") == "linking"


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
