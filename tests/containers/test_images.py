"""What is in the images, and what is not."""

import re

import pytest

from demo.deploy import build_image
from tests.containers.conftest import PARTS, Images
from tests.support.containers import Thing, contents

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# Decimal megabytes, unpacked: 139, 203, 123 on Debian's Python 3.11; official ones may be larger.
LIMITS = {"api": 170, "operator": 235, "backup": 240}
# PostgreSQL's programs, and the shell that initdb starts its server through.
NEEDED = {"backup": {"pg_dump", "pg_restore", "initdb", "postgres", "sh"}}
USERS = {"backup": "999:999"}
ENTRY_POINTS = {part: f"bookstore-{part}" for part in PARTS}
FOLDERS_OF_PROGRAMS = re.compile(r"(^|/)s?bin/[^/]+$")
OF_PYTHON = re.compile(r"python3?(\.\d+)?")
# Shells, package managers, interpreters, compilers, downloaders: nothing that helps an attacker who
# got in through a fault of ours.
TOOLS = re.compile(
    r"(sh|bash|dash|busybox|env|apt(-.*)?|dpkg(-.*)?|perl.*|pip[\d.]*|curl|wget|openssl|g?cc(-.*)?|ld"
    r"|as|make|tar|gzip|su|sudo|mount|ldconfig|ensurepip|setuptools|wheel|pip-.*|setuptools-.*)"
)


@pytest.fixture(scope="module", params=PARTS, ids=ENTRY_POINTS.get)
def part(request: pytest.FixtureRequest) -> str:
    part: str = request.param
    return part


@pytest.fixture(scope="module")
def files(images: Images, part: str) -> dict[str, Thing]:
    return contents(images.docker, images.of(part))


def test_the_image_runs_as_an_unprivileged_user(images: Images, part: str) -> None:
    config = images.docker.inspect(images.of(part))["Config"]
    assert config["User"] == USERS.get(part, "10001:10001")
    assert config["Entrypoint"] == [ENTRY_POINTS[part]]
    assert config["StopSignal"] == "SIGTERM"
    assert not config.get("Volumes")


def test_the_image_is_smaller_than_its_limit(images: Images, part: str) -> None:
    size = images.docker.inspect(images.of(part))["Size"] / 1e6
    layers = images.docker("history", "--format={{.Size}}", images.of(part)).output.split()
    print(f"{images.of(part)}: {size:.0f} MB, layers {[s for s in layers if s != '0B']}")
    assert size <= LIMITS[part]


def test_the_only_programs_are_python_and_our_command(files: dict[str, Thing], part: str) -> None:
    programs = {
        path.rsplit("/", 1)[1]
        for path, thing in files.items()
        if FOLDERS_OF_PROGRAMS.search(path) and thing.kind != "folder"
    }
    ours = {name for name in programs if not OF_PYTHON.fullmatch(name)}
    assert ours == {ENTRY_POINTS[part]} | NEEDED.get(part, set())
    assert programs - ours, "Python itself"


def test_the_image_has_no_tools(files: dict[str, Thing], part: str) -> None:
    tools = [
        path
        for path, thing in files.items()
        if TOOLS.fullmatch(path.rsplit("/", 1)[-1])
        and path.rsplit("/", 1)[-1] not in NEEDED.get(part, set())
        and (thing.executable or "site-packages/" in path or path.endswith("ensurepip"))
    ]
    assert [path for path in tools if "/site-packages/" not in path or _installed(path)] == []


def _installed(path: str) -> bool:
    """Whether it is a package itself, not a module of one that has such a name."""
    return path.rpartition("/")[0].endswith("site-packages")


def test_no_file_is_setuid_or_writable(files: dict[str, Thing]) -> None:
    assert [path for path, thing in files.items() if thing.mode & 0o6000] == []
    writable = {
        path: oct(thing.mode)
        for path, thing in files.items()
        if thing.kind != "link" and (thing.mode & 0o022 or thing.owner != (0, 0))
    }
    assert writable.pop("tmp") == "0o1777"
    assert writable in ({}, {"var/lib/bookstore": "0o700"})


def test_scanners_can_list_the_packages(files: dict[str, Thing], part: str) -> None:
    """Packages of the base image and of Python, in the places for each."""
    folder = "var/lib/dpkg/status.d/"
    packages = {path.removeprefix(folder) for path in files if path.startswith(folder)}
    assert "libc6" in packages
    assert any(name.startswith("libssl3") for name in packages)
    assert any(f"bookstore_{part}-0.1.0.dist-info/METADATA" in path for path in files)


@pytest.mark.parametrize(
    "part",
    ["api", *(pytest.param(part, marks=pytest.mark.nightly) for part in PARTS[1:])],
    indirect=True,
)
@pytest.mark.timeout(600)
def test_two_builds_have_the_same_content(
    images: Images, part: str, files: dict[str, Thing]
) -> None:
    """P1, container consistency: the same checkout and base image give the same files."""
    again = build_image(images.cluster, part, build="again", no_cache=True)
    try:
        assert again != images.of(part), "it is a new build"
        other = contents(images.docker, again)
    finally:
        images.docker("image", "rm", again)
    assert other.keys() == files.keys()
    # Files of ours in this list mean that somebody edited the checkout between the builds.
    assert [path for path in files if files[path] != other[path]] == []
