"""What is in the images, and what is not."""

from __future__ import annotations

import re

import pytest

from demo.deploy import build_image
from tests.containers.conftest import PARTS, Images
from tests.support.containers import Thing, contents

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# Decimal megabytes, unpacked: 139 and 203 on Debian's Python 3.11; official ones may be larger.
LIMITS = {"api": 170, "operator": 235}
ENTRY_POINTS = {part: f"bookstore-{part}" for part in PARTS}
FOLDERS_OF_PROGRAMS = re.compile(r"(^|/)s?bin/[^/]+$")
OF_PYTHON = re.compile(r"python3?(\.\d+)?")
# Shells, package managers, interpreters, compilers, what fetches and unpacks: no way to go on from
# a fault of ours with what is there.
NO_USE = re.compile(
    r"(sh|bash|dash|busybox|env|apt(-.*)?|dpkg(-.*)?|perl.*|pip[\d.]*|curl|wget|openssl|g?cc(-.*)?|ld"
    r"|as|make|tar|gzip|su|sudo|mount|ldconfig|ensurepip|setuptools|wheel|pip-.*|setuptools-.*)"
)


@pytest.fixture(scope="module", params=PARTS, ids=ENTRY_POINTS.get)
def part(request: pytest.FixtureRequest) -> str:
    part: str = request.param
    return part


@pytest.fixture(scope="module")
def found(images: Images, part: str) -> dict[str, Thing]:
    return contents(images.docker, images.of(part))


def test_it_starts_as_nobody_special(images: Images, part: str) -> None:
    config = images.docker.inspect(images.of(part))["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == [ENTRY_POINTS[part]]
    assert config["StopSignal"] == "SIGTERM"
    assert not config.get("Volumes")


def test_its_size_has_a_limit(images: Images, part: str) -> None:
    size = images.docker.inspect(images.of(part))["Size"] / 1e6
    layers = images.docker("history", "--format={{.Size}}", images.of(part)).output.split()
    print(f"{images.of(part)}: {size:.0f} MB, layers {[s for s in layers if s != '0B']}")
    assert size <= LIMITS[part]


def test_there_is_nothing_to_run_but_python_and_our_command(
    found: dict[str, Thing], part: str
) -> None:
    programs = {
        path.rsplit("/", 1)[1]
        for path, thing in found.items()
        if FOLDERS_OF_PROGRAMS.search(path) and thing.kind != "folder"
    }
    ours = {name for name in programs if not OF_PYTHON.fullmatch(name)}
    assert ours == {ENTRY_POINTS[part]}
    assert programs - ours, "Python itself"


def test_there_are_no_tools_anywhere(found: dict[str, Thing]) -> None:
    tools = [
        path
        for path, thing in found.items()
        if NO_USE.fullmatch(path.rsplit("/", 1)[-1])
        and (thing.executable or "site-packages/" in path or path.endswith("ensurepip"))
    ]
    assert [path for path in tools if "/site-packages/" not in path or _installed(path)] == []


def _installed(path: str) -> bool:
    """Whether it is a package itself, not a module of one that has such a name."""
    return path.rpartition("/")[0].endswith("site-packages")


def test_nobody_can_become_more_or_change_what_runs(found: dict[str, Thing]) -> None:
    assert [path for path, thing in found.items() if thing.mode & 0o6000] == []
    writable = {
        path: oct(thing.mode)
        for path, thing in found.items()
        if thing.kind != "link" and (thing.mode & 0o022 or thing.owner != (0, 0))
    }
    assert writable.pop("tmp") == "0o1777"
    assert writable in ({}, {"var/lib/bookstore": "0o700"})


def test_scanners_are_told_what_is_there(found: dict[str, Thing], part: str) -> None:
    """Packages of the base image and of Python, in the places for each."""
    folder = "var/lib/dpkg/status.d/"
    packages = {path.removeprefix(folder) for path in found if path.startswith(folder)}
    assert "libc6" in packages
    assert any(name.startswith("libssl3") for name in packages)
    assert any(f"bookstore_{part}-0.1.0.dist-info/METADATA" in path for path in found)


@pytest.mark.parametrize(
    "part", ["api", pytest.param("operator", marks=pytest.mark.nightly)], indirect=True
)
@pytest.mark.timeout(600)
def test_two_builds_have_the_same_content(
    images: Images, part: str, found: dict[str, Thing]
) -> None:
    """P1, container consistency: the same checkout and base image give the same files."""
    again = build_image(images.cluster, part, build="again", no_cache=True)
    try:
        assert again != images.of(part), "it was built anew"
        other = contents(images.docker, again)
    finally:
        images.docker("image", "rm", again)
    assert other.keys() == found.keys()
    # Files of ours in this list mean that somebody edited the checkout between the builds.
    assert [path for path in found if found[path] != other[path]] == []
