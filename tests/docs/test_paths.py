"""Every path and module that the maps of the house name exists: a move that forgets them fails."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.golden

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "docs" / "architecture.md",
    *sorted((ROOT / "docs" / "design").glob("*.md")),
]
# A path may be relative to the root, from one of these, or from the folder of the page's own table.
BASES = [
    ROOT,
    ROOT / "operator/bookstore_operator",
    ROOT / "api/bookstore_api",
    ROOT / "kubectl-bookstore/kubectl_bookstore",
    ROOT / "backup/bookstore_backup",
]
TOP = "|".join(sorted(re.escape(entry.name) for base in BASES for entry in base.iterdir()))
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w.<>*/-]+\.(?:py|md|toml|yaml|json|sh|txt|in)|[\w.<>*/-]+/")
UNDER = re.compile(rf"(?:{TOP})(?:/[\w.<>*-]+)+")
MODULE = re.compile(
    r"(?:bookstore_api|bookstore_operator|kubectl_bookstore|bookstore_backup|devcluster|demo|tests)(?:\.\w+)+"
)
INDENTED = re.compile(r"^    (\S+)  ", re.MULTILINE)
BOX = re.compile(r'\["([^"\]]+)"\]')


def names(page: Path) -> Iterator[str]:
    """What a page writes as code, in the first column of indented lists, and in its picture."""
    text = page.read_text()
    yield from CODE.findall(text)
    yield from INDENTED.findall(text)
    yield from BOX.findall(text)


def paths(page: Path) -> Iterator[str]:
    """What looks like a path of this repository: not one of a URL or of a container."""
    for name in names(page):
        if not name.startswith("/") and (FILE.fullmatch(name) or UNDER.fullmatch(name)):
            yield name


def exists(path: str) -> bool:
    """Whether there is such a file or folder; `<name>`, `NNNN` and `*` stand for any.

    A file's bare name may be that of any file of the packages: names repeat from folder to folder.
    """
    pattern = re.sub(r"<\w+>|NNNN", "*", path).rstrip("/")
    bare = "/" not in path
    matches = (
        base.rglob(pattern) if bare and base != ROOT else base.glob(pattern) for base in BASES
    )
    return any(any(paths) for paths in matches)


def is_module(name: str) -> bool:
    """Whether a module is there, or a name within one."""
    path = name.replace(".", "/")
    inner = path.rpartition("/")[0]
    homes = [
        *BASES,
        ROOT / "api",
        ROOT / "operator",
        ROOT / "kubectl-bookstore",
        ROOT / "devcluster",
    ]
    files = (path, f"{path}.py", f"{inner}.py")
    return any((home / file).exists() for home in homes for file in files)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_and_module_exists(page: Path) -> None:
    missing = [path for path in paths(page) if not exists(path)]
    missing += [name for name in names(page) if MODULE.fullmatch(name) and not is_module(name)]
    assert not missing, f"{page.relative_to(ROOT)} names what is not there: {missing}"


def test_a_missing_path_is_noticed() -> None:
    assert exists("api/bookstore_api/")
    assert not exists("api/bookstore_api/gone.py")
    assert not is_module("bookstore_api.gone.at_all")
